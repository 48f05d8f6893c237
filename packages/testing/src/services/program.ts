import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const sayLimitMs = 60_000

/** Runs a TypeScript file with arguments, in a process of its own; killed when disposed of. */
export const startProgram = (file: URL, ...args: readonly string[]) => {
  const child = spawn(process.execPath, [fileURLToPath(file), ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const closed = once(child, 'close')
  const ended = async () => {
    await closed
    return { code: child.exitCode, stdout, stderr }
  }
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Reads no more of what the program writes to standard output. */
    closeOutput: () => void child.stdout.destroy(),
    /** Resolves when the text is on standard output. */
    said: async (expected: string): Promise<void> => {
      const giveUp = Date.now() + sayLimitMs
      while (!stdout.includes(expected)) {
        if (child.exitCode !== null || Date.now() > giveUp)
          throw new Error(`the program did not say ${expected}:\n${stdout}${stderr}`)
        await delay(10)
      }
    },
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended()
    },
  }
}

/** Runs the file to its end. */
export const runProgram = async (file: URL, ...args: readonly string[]) => {
  await using program = startProgram(file, ...args)
  return await program.ended()
}
