import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createClient, type RedisClientType } from '@redis/client'
import { unlessReachable } from './servers.ts'

/** For a suite's `skip`: the reason if redis-server is not installed, otherwise false. */
export const withoutOwnRedis = await unlessReachable('redis-server (in PATH)', () =>
  promisify(execFile)('redis-server', ['--version']),
)

/** Starts a server without persistence: a restarted one is empty. */
export const startRedis = (port: number, settings: Readonly<Record<string, string>> = {}) => {
  // A replica still writes the snapshot of its first synchronization to this folder.
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const defaults = { port: String(port), bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder }
  const all = { ...defaults, ...settings }
  const options = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])
  const server = spawn('redis-server', options, { stdio: 'ignore' })
  const exited = once(server, 'exit')
  const signal = (name: NodeJS.Signals) => assert.ok(server.kill(name))
  return {
    /** Suspends the process: its connections stay open, but it does not reply. */
    suspend: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    kill: async () => {
      server.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs a function with a new connection to the server on the port. */
export const onServer = async <Result>(
  port: number,
  use: (client: RedisClientType) => Promise<Result>,
  options: Readonly<{ password?: string; database?: number; certificate?: string }> = {},
): Promise<Result> => {
  const { certificate, ...access } = options
  const tls = certificate === undefined ? {} : { tls: true as const, ca: readFileSync(certificate) }
  const client = createClient({
    ...access,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    socket: { host: '127.0.0.1', port, reconnectStrategy: false, ...tls },
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return await use(client)
  } finally {
    client.destroy()
  }
}

/** The number of calls of the command since the server started, or since `CONFIG RESETSTAT`. */
export const callsOf = (port: number, command: string): Promise<number> =>
  onServer(port, async (client) => {
    const stats = await client.info('commandstats')
    return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
  })

/**
 * Starts a TCP proxy for the port. `freezeConnections` makes it drop all data on its current connections; `redirectTo`
 * changes the target port of later connections.
 */
export const startProxy = async (port: number) => {
  let generation = 0
  let target = port
  const proxy = createServer((client) => {
    const connectionGeneration = generation
    const server = connect(target, '127.0.0.1')
    client.on('data', (bytes) => connectionGeneration === generation && server.write(bytes))
    server.on('data', (bytes) => connectionGeneration === generation && client.write(bytes))
    client.on('close', () => server.destroy())
    for (const socket of [client, server]) socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    port: address.port,
    freezeConnections: () => {
      generation += 1
    },
    redirectTo: (newTarget: number) => {
      target = newTarget
    },
    [Symbol.dispose]: () => proxy.close(),
  }
}
