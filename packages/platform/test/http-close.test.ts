import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startServer } from './support/http-server.ts'

const startSlow = async () => {
  const server = await startServer({
    routes: async (app) => {
      app.get('/slow', async () => {
        await delay(100)
        return { done: true }
      })
    },
  })
  const address = await server.app.listen({ host: '127.0.0.1', port: 0 })
  return { ...server, url: `${address}/slow` }
}

/** A connection over which the first half of a request has arrived. */
const halfRequest = async (url: string) => {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /slow HTTP/1.1\r\nHost: ')
  await delay(20)
  return socket
}

describe('a server that closes', () => {
  it('finishes the request that it has begun, takes no other, and does not wait for kept connections', async () => {
    await using server = await startSlow()
    await (await fetch(server.url)).text()
    const answer = fetch(server.url)
    while ((await server.activeRequests()) === 0) await delay(5)

    const started = performance.now()
    const closed = server.app.close()
    await delay(20)
    await assert.rejects(fetch(server.url))
    const response = await answer
    assert.equal(response.headers.get('connection'), 'close')
    assert.deepEqual(await response.json(), { done: true })
    await closed
    assert.ok(performance.now() - started < 2_000)
  })

  it('answers also the request that was still on its way when it began to close', async () => {
    await using server = await startSlow()
    const socket = await halfRequest(server.url)
    const closed = server.app.close()
    socket.write('shop\r\n\r\n')
    const [answer]: Buffer[] = await once(socket, 'data')
    assert.match(String(answer), /^HTTP\/1\.1 200 OK\r\n[^]*\{"done":true\}$/)
    await closed
  })

  it('cuts off after eight seconds who has not even sent the whole request', async ({ mock }) => {
    await using server = await startSlow()
    const socket = await halfRequest(server.url)
    mock.timers.enable({ apis: ['setTimeout'] })
    const closed = server.app.close()
    await delay(20)
    mock.timers.tick(7_999)
    await delay(20)
    assert.equal(socket.destroyed, false)
    mock.timers.tick(1)
    await closed
    await once(socket, 'close')
  })
})
