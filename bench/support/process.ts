import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { root } from '@shop/testing/files.ts'
import { succeeds } from '@shop/testing/services/services.ts'

const readyLimitMs = 60_000

/** A running server: its process id, and the milliseconds from its start until it was ready. */
export type Server = AsyncDisposable & Readonly<{ pid: number; url: string; readyMs: number }>

const untilReady = async (child: ChildProcess, url: string): Promise<void> => {
  const deadline = performance.now() + readyLimitMs
  while (!(await succeeds(url))) {
    if (child.exitCode !== null) throw new Error(`a server exited before it was ready: ${url}`)
    if (performance.now() > deadline) throw new Error(`a server was not ready within a minute: ${url}`)
    await delay(10)
  }
}

/**
 * Starts a script as a child process. Resolves when a GET of `readyPath` succeeds. `script` is relative to
 * the project root. Standard output goes to OUTPUT_FILE of the environment, or is discarded.
 */
export const startServer = async (
  script: string,
  port: number,
  readyPath: string,
  environment: Readonly<Record<string, string>>,
): Promise<Server> => {
  const { OUTPUT_FILE, ...variables } = environment
  const output = OUTPUT_FILE === undefined ? undefined : openSync(OUTPUT_FILE, 'a')
  const startTime = performance.now()
  const child = spawn(process.execPath, [resolve(root, script)], {
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      PORT: String(port),
      ...variables,
    },
    stdio: ['ignore', output ?? 'ignore', 'inherit'],
  })
  if (output !== undefined) closeSync(output)
  const exited = once(child, 'exit')
  const scheme = environment['TLS_CERT_FILE'] === undefined ? 'http' : 'https'
  const url = `${scheme}://127.0.0.1:${port}`
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  try {
    await untilReady(child, url + readyPath)
  } catch (error) {
    await stop()
    throw error
  }
  const readyMs = performance.now() - startTime
  return { pid: Number(child.pid), url, readyMs, [Symbol.asyncDispose]: stop }
}
