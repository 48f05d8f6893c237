import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const outputTimeoutMs = 60_000

/** Starts a TypeScript file with arguments in a separate process. Disposing of it kills the process. */
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
  const waitForExit = async () => {
    await closed
    return { code: child.exitCode, stdout, stderr }
  }
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Closes the reading end of the program's standard output. */
    closeOutput: () => void child.stdout.destroy(),
    /** Resolves when standard output contains the string. */
    waitForOutput: async (expected: string): Promise<void> => {
      const deadline = performance.now() + outputTimeoutMs
      while (!stdout.includes(expected)) {
        if (child.exitCode !== null || performance.now() > deadline)
          throw new Error(`the program did not print ${expected}:\n${stdout}${stderr}`)
        await delay(10)
      }
    },
    waitForExit,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await waitForExit()
    },
  }
}

/** Runs the file until it exits. */
export const runProgram = async (file: URL, ...args: readonly string[]) => {
  await using program = startProgram(file, ...args)
  return await program.waitForExit()
}
