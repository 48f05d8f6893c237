import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { root } from '@shop/testing/files.ts'

const readyLimitMs = 60_000

export type Server = AsyncDisposable & Readonly<{ child: ChildProcess; url: string; readyMs: number }>

const untilReady = async (child: ChildProcess, url: string): Promise<void> => {
  const deadline = performance.now() + readyLimitMs
  const isReady = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await isReady())) {
    if (child.exitCode !== null) throw new Error(`a server exited before it was ready: ${url}`)
    if (performance.now() > deadline) throw new Error(`a server was not ready within a minute: ${url}`)
    await delay(10)
  }
}

/**
 * Starts a script as a child process. Resolves when a GET of `readyPath` succeeds. `script` is relative to
 * the project root. Standard output is discarded.
 */
export const startServer = async (
  script: string,
  port: number,
  readyPath: string,
  environment: Readonly<Record<string, string>>,
): Promise<Server> => {
  const startTime = performance.now()
  const child = spawn(process.execPath, [resolve(root, script)], {
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      PORT: String(port),
      ...environment,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
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
  return { child, url, readyMs: performance.now() - startTime, [Symbol.asyncDispose]: stop }
}

const ticksPerSecond = 100

const withChildren = (pid: number): number[] => [
  pid,
  ...readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' '))
    .filter((child) => child !== '')
    .map(Number),
]

/** The CPU time of the process and its children, in seconds. Works on Linux only. */
export const processorSeconds = ({ child }: Pick<Server, 'child'>): number =>
  withChildren(Number(child.pid)).reduce((sum, pid) => {
    // The process name may contain spaces: the fields are counted from the parenthesis after it; see proc(5).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  }, 0)

/** The resident memory of the largest among the process and its children, in MB. */
export const residentMegabytes = ({ child }: Pick<Server, 'child'>): number =>
  Math.max(
    ...withChildren(Number(child.pid)).map((pid) => {
      const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      return Number(kilobytes) / 1024
    }),
  )
