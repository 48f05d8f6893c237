import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const sayLimitMs = 60_000

/** Runs a TypeScript text, whose imports are relative to `test`, in a process of its own; killed when disposed of. */
export const startScript = (text: string, ...args: readonly string[]) => {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', text, ...args], {
    cwd: join(import.meta.dirname, '..'),
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
    /** Reads no more of what the script writes to standard output. */
    closeOutput: () => void child.stdout.destroy(),
    /** Resolves when the text is on standard output. */
    said: async (expected: string): Promise<void> => {
      const giveUp = Date.now() + sayLimitMs
      while (!stdout.includes(expected)) {
        if (child.exitCode !== null || Date.now() > giveUp)
          throw new Error(`the script did not say ${expected}:\n${stdout}${stderr}`)
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

/** Runs the text to its end. */
export const runScript = async (text: string, ...args: readonly string[]) => {
  await using script = startScript(text, ...args)
  return await script.ended()
}
