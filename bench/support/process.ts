import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { root } from '@shop/testing/files.ts'

const readyLimitMs = 60_000

export type Server = AsyncDisposable & Readonly<{ child: ChildProcess; url: string; readyMs: number }>

const untilAnswering = async (child: ChildProcess, url: string): Promise<void> => {
  const giveUp = Date.now() + readyLimitMs
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    )
  while (!(await answers())) {
    if (child.exitCode !== null) throw new Error(`a server ended before it was ready: ${url}`)
    if (Date.now() > giveUp) throw new Error(`a server is not ready: ${url}`)
    await delay(10)
  }
}

/** Starts a script, by its path from the root of the project, as a process of its own, and resolves when the path answers 200. What it prints is not kept. */
export const startServer = async (
  script: string,
  port: number,
  readyPath: string,
  environment: Readonly<Record<string, string>>,
): Promise<Server> => {
  const began = performance.now()
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
    await untilAnswering(child, url + readyPath)
  } catch (error) {
    await stop()
    throw error
  }
  return { child, url, readyMs: performance.now() - began, [Symbol.asyncDispose]: stop }
}

const ticksPerSecond = 100

const withChildren = (pid: number): number[] => [
  pid,
  ...readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' '))
    .filter((child) => child !== '')
    .map(Number),
]

/** Processor time that the process and its children have taken, in seconds: Linux alone tells it. */
export const processorSeconds = ({ child }: Pick<Server, 'child'>): number =>
  withChildren(Number(child.pid)).reduce((sum, pid) => {
    // proc(5): the name may hold anything, so the fields are counted from its closing bracket.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return sum + (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  }, 0)

/** Resident memory of the largest of the process and its children, in MB. */
export const residentMegabytes = ({ child }: Pick<Server, 'child'>): number =>
  Math.max(
    ...withChildren(Number(child.pid)).map((pid) => {
      const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      return Number(kilobytes) / 1024
    }),
  )
