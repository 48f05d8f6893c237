import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { promisify } from 'node:util'
import { unlessReachable } from '../../../tests/support/servers.ts'

/** For a suite's `skip`: the reason when no Redis can be started here. */
export const withoutOwnRedis = await unlessReachable('redis-server (in PATH)', () =>
  promisify(execFile)('redis-server', ['--version']),
)

/** A server that keeps nothing on disk, so that it forgets everything with its process. */
export const startRedis = (port: number) => {
  const options = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = spawn('redis-server', options, { stdio: 'ignore' })
  const exited = once(server, 'exit')
  const signal = (name: NodeJS.Signals) => assert.ok(server.kill(name))
  return {
    hang: () => signal('SIGSTOP'),
    goOn: () => signal('SIGCONT'),
    kill: async () => {
      server.kill('SIGKILL')
      await exited
    },
  }
}

/** A way to the port which, when told to, swallows all that its connections send; later connections get through. */
export const startWay = async (port: number) => {
  let generation = 0
  const way = createServer((client) => {
    const own = generation
    const server = connect(port, '127.0.0.1')
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
    [Symbol.dispose]: () => way.close(),
  }
}
