import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { root } from '../files.ts'

const readyTimeoutMs = 60_000

const returnedPorts = new Set<number>()

/** Returns a port that was free a moment ago, and never the same one twice in a process. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no port')
  if (returnedPorts.has(address.port)) return freePort()
  returnedPorts.add(address.port)
  return address.port
}

/** The environment without variables that configure a service. */
const bareEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  // A busy test machine must not count as an overloaded service.
  MAX_EVENT_LOOP_DELAY_MS: '0',
})

export type RunningService = AsyncDisposable &
  Readonly<{
    url: string
    /** Where health and metrics are: with OPERATIONS_PORT not below `url`. */
    operationsUrl: string
    process: ChildProcess
    output: () => string
    stop: (signal?: NodeJS.Signals) => Promise<number | null>
  }>

type Start = Readonly<{
  /** How many files it may open. Needs Linux. */
  openFiles?: number
  /** Start its bundle, which must be made before. */
  bundled?: boolean
  /** The checkout to start it from; by default this one. */
  checkout?: string
  /** The certificate and key of a client, if the service ends TLS and lets only holders of one connect. */
  client?: Readonly<{ certificate: string; key: string }>
}>

/** Whether a GET over TLS succeeds. The certificate may be a broken one. */
const succeedsOverTls = (url: string, { client }: Pick<Start, 'client'>): Promise<boolean> =>
  new Promise((resolve) => {
    const own = client && { cert: readFileSync(client.certificate), key: readFileSync(client.key) }
    get(url, { ...own, agent: false, rejectUnauthorized: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    }).on('error', () => resolve(false))
  })

/** Whether a GET of the URL succeeds. */
export const succeeds = (url: string, start: Pick<Start, 'client'> = {}): Promise<boolean> =>
  url.startsWith('https:')
    ? succeedsOverTls(url, start)
    : fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )

/** The program and its arguments that run a service. */
const commandOf = (
  service: string,
  { openFiles, bundled = false, checkout = root }: Start,
): [string, string[]] => {
  const main = join(checkout, `services/${service}`, bundled ? 'dist/main.js' : 'src/main.ts')
  if (openFiles === undefined) return [process.execPath, [main]]
  return ['prlimit', [`--nofile=${openFiles}:${openFiles}`, process.execPath, main]]
}

/** Starts a service from its main.ts, as users do. Resolves when it is ready. Disposing of it stops it. */
export const startService = async (
  service: 'product' | 'basket',
  environment: Readonly<Record<string, string>>,
  start: Start = {},
): Promise<RunningService> => {
  const port = environment['PORT'] ?? String(await freePort())
  const child = spawn(...commandOf(service, start), {
    env: { ...bareEnvironment(), LOG_FORMAT: 'json', LOG_LEVEL: 'info', ...environment, PORT: port },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = once(child, 'exit')
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal)
    await exited
    return child.exitCode
  }
  const scheme = environment['TLS_CERT_FILE'] === undefined ? 'http' : 'https'
  const host = environment['HOST'] ?? '127.0.0.1'
  const url = `${scheme}://${host}:${port}`
  const operationsPort = environment['OPERATIONS_PORT']
  const operationsUrl = operationsPort ? `http://${host}:${operationsPort}` : url
  const deadline = performance.now() + readyTimeoutMs
  while (!(await succeeds(`${operationsUrl}/health/ready`, start))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop('SIGKILL')
      throw new Error(`the ${service} service did not become ready:\n${output}`)
    }
    await delay(50)
  }
  return {
    url,
    operationsUrl,
    process: child,
    output: () => output,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}
