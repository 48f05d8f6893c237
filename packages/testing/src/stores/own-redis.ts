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

/** For a suite's `skip`: the reason when no Redis can be started here. */
export const withoutOwnRedis = await unlessReachable('redis-server (in PATH)', () =>
  promisify(execFile)('redis-server', ['--version']),
)

/** A server that saves nothing, so that it forgets everything with its process. */
export const startRedis = (port: number, settings: Readonly<Record<string, string>> = {}) => {
  // A replica still puts down there what it is sent first.
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const own = { port: String(port), bind: '127.0.0.1', save: '', appendonly: 'no', dir: folder }
  const all = { ...own, ...settings }
  const options = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])
  const server = spawn('redis-server', options, { stdio: 'ignore' })
  const exited = once(server, 'exit')
  const signal = (name: NodeJS.Signals) => assert.ok(server.kill(name))
  return {
    hang: () => signal('SIGSTOP'),
    goOn: () => signal('SIGCONT'),
    kill: async () => {
      server.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs one function on the server at the port, over a connection of its own. */
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

/** How often the server has run the command since its start, or since `CONFIG RESETSTAT`. */
export const callsOf = (port: number, command: string): Promise<number> =>
  onServer(port, async (client) => {
    const stats = await client.info('commandstats')
    return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0)
  })

/**
 * A way to the port which, when told to, swallows all that its connections send, or leads elsewhere; the one only for
 * connections that are there by then, the other only for later ones.
 */
export const startWay = async (port: number) => {
  let generation = 0
  let target = port
  const way = createServer((client) => {
    const own = generation
    const server = connect(target, '127.0.0.1')
    client.on('data', (bytes) => own === generation && server.write(bytes))
    server.on('data', (bytes) => own === generation && client.write(bytes))
    client.on('close', () => server.destroy())
    for (const socket of [client, server]) socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(way, 'listening')
  const address = way.address()
  assert.ok(address !== null && typeof address === 'object')
  return {
    port: address.port,
    swallow: () => {
      generation += 1
    },
    leadTo: (other: number) => {
      target = other
    },
    [Symbol.dispose]: () => way.close(),
  }
}
