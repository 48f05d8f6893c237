import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startService } from '../support/grpc.ts'
import { startServer } from '../support/http-server.ts'

const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])
const get = 'GET /quick HTTP/1.1\r\nHost: shop\r\n\r\n'

/** What clients send before they close, and how they close. */
const contents = ['', get, get + get, `${get}GET / HT`, 'garbage\r\n\r\n', preface, preface.subarray(0, 9)]
const closings: readonly ((socket: Socket) => unknown)[] = [
  (socket) => socket.destroy(),
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.end(),
]

const rounds = 60
const perRound = 100

describe('the numbers of connections', () => {
  it(`are 0 after ${rounds * perRound} have been opened and closed, below and over all limits`, async () => {
    await using server = await startServer({
      limits: { maxConnections: 15, maxConnectionsPerClient: 5 },
      routes: async (app) => void app.get('/quick', async () => ({})),
    })
    const { limits } = server
    await using service = await startService(async () => ({ product: undefined }), { limits })
    const ports = [await server.listen(0, '127.0.0.1'), service.port]
    const addresses = ['127.0.0.1', '127.0.0.7', '127.0.0.8', '127.0.0.9']
    const one = async (index: number): Promise<void> => {
      const port = ports[index % 2] ?? 0
      const socket = connect({ port, host: '127.0.0.1', localAddress: addresses[index % 4] ?? '' })
      socket.on('error', () => {}).resume()
      const closed = new Promise((resolve) => socket.once('close', resolve))
      await Promise.race([new Promise((resolve) => socket.once('connect', resolve)), closed])
      if (!socket.destroyed) socket.write(contents[index % 7] ?? '')
      // Some close before the server has accepted them.
      if (index % 5 > 0) await delay(5 * (index % 5))
      closings[index % 3]?.(socket)
      await closed
    }
    for (let round = 0; round < rounds; round++)
      await Promise.all(Array.from({ length: perRound }, (_, index) => one(round * perRound + index)))
    await eventually(10_000, async () => {
      for (const transport of ['http', 'grpc'] as const)
        assert.deepEqual(limits.connections.counts().get(transport), { client: 0, trusted: 0, refused: 0 })
    })
    assert.equal(limits.connections.used(), 0)
    for (const address of addresses) assert.equal(limits.connections.usedBy(address), 0)
    const refused = await server.metrics.registry.getSingleMetricAsString('requests_refused_total')
    for (const scope of ['client', 'total'])
      assert.match(refused, new RegExp(`reason="connections",scope="${scope}",\\S* [1-9]`))
  })
})
