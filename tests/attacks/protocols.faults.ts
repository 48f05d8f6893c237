import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { connect as connectHttp2, constants } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { credentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { callUnary } from '@shop/platform/grpc/client.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'

const timeout = AbortSignal.timeout(60_000)

/** Opens a connection, sends `text`, then sends `drip` ten times a second until the connection is closed. */
const openSlowClient = async (port: number, text: string, drip: string): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect', { signal: timeout })
  socket.write(text)
  const timer = setInterval(() => socket.write(drip), 100)
  socket.once('close', () => clearInterval(timer))
  return socket
}

/**
 * Resolves when the server closes the connection: after 5 s for headers, 15 s for bodies. Rejects after 25 s, so
 * that the tests fail if Node.js checks these limits only every 30 s, its default interval.
 */
const untilClosed = (socket: Socket) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('still open')), 25_000)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })

/** Repeats `send` until the attack is over. Every request must succeed. Resolves with the number of requests. */
const countServedDuring = async (
  attack: () => Promise<unknown>,
  send: () => Promise<unknown>,
): Promise<number> => {
  const attacking = attack().then(() => 'over')
  for (let served = 0; ; served++) {
    await send()
    if ((await Promise.race([attacking, delay(50)])) === 'over') return served + 1
  }
}

describe('under attack', { concurrency: true }, () => {
  describe('the HTTP server', { concurrency: true }, () => {
    let folder: Awaited<ReturnType<typeof mkdtempDisposable>>
    let service: RunningService
    before(async () => {
      folder = await mkdtempDisposable(join(tmpdir(), 'attacks-'))
      service = await startService('basket', { DATA_DIR: folder.path })
    })
    after(async () => {
      assert.equal(service.process.exitCode, null, 'the service has exited')
      await service.stop()
      await folder.remove()
    })
    const port = () => Number(new URL(service.url).port)
    const createBasket = async () =>
      assert.equal((await request('POST', `${service.url}/baskets`, { user_id: 'ann' })).body.user_id, 'ann')

    const head = 'POST /baskets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
    for (const [name, text, drip] of [
      ['endless headers', 'GET /baskets/ann HTTP/1.1\r\nHost: localhost\r\nX-', 'a'],
      ['a body that never reaches its Content-Length', `${head}Content-Length: 60000\r\n\r\n{`, ' '],
      ['an endless chunked body', `${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
    ] as const)
      it(`closes 200 connections that slowly send ${name}, and serves other clients at the same time`, async () => {
        const sockets = await Promise.all(
          Array.from({ length: 200 }, () => openSlowClient(port(), text, drip)),
        )
        try {
          const attack = () => Promise.all(sockets.map(untilClosed))
          assert.ok((await countServedDuring(attack, createBasket)) > 10)
        } finally {
          for (const socket of sockets) socket.destroy()
        }
      })

    it('answers a request with 3,000 headers with 200 or a 4xx status', async () => {
      const headers = Array.from({ length: 3_000 }, (_, index) => `a${index}:\r\n`).join('')
      const socket = connect(port(), '127.0.0.1')
      socket.write(`GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`)
      const [response]: Buffer[] = await once(socket, 'data', { signal: timeout })
      assert.match(String(response), /^HTTP\/1\.1 (200|4\d\d) /)
      socket.destroy()
    })

    for (const [name, body] of [
      ['that is deeply nested', `{"user_id":${'['.repeat(30_000)}${']'.repeat(30_000)}}`],
      ['that is deeply nested and never closed', '{"a":'.repeat(12_000)],
      [
        'that sets a prototype',
        '{"__proto__":{"user_id":"eve"},"constructor":{"prototype":{"user_id":"eve"}}}',
      ],
      ['with 6,000 members', `{${Array.from({ length: 6_000 }, (_, index) => `"m${index}":0`).join()}}`],
    ] as const)
      it(`answers 400 to JSON ${name}`, async () => {
        const response = await fetch(`${service.url}/baskets`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: timeout,
        })
        assert.equal(response.status, 400)
        assert.match(await response.text(), /"code":"invalid"/)
        await createBasket()
      })

    for (const path of [
      '/baskets/%2e%2e',
      '/baskets/..%2fhealth',
      '/baskets/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
      '/baskets/%00',
      '/baskets/ann%00/items',
      '/baskets/%c0%ae',
      '/baskets/ann/items/%2e',
      '/docs/static/%2e%2e%2f%2e%2e%2fpackage.json',
      '/docs/static/..%5c..%5cpackage.json',
    ])
      it(`rejects the path ${path}`, async () => {
        const socket = connect(port(), '127.0.0.1')
        // Written by hand, because HTTP clients normalize such paths before sending them.
        socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
        const [response]: Buffer[] = await once(socket, 'data', { signal: timeout })
        assert.match(String(response), /^HTTP\/1\.1 40[0345] /)
        socket.destroy()
      })
  })

  it('the gRPC server serves other clients while streams are opened and immediately reset', {
    skip: withoutPostgres,
  }, async () => {
    await using schema = await ownSchema()
    const grpcPort = await freePort()
    await using service = await startService('product', {
      DATABASE_URL: schema.url,
      GRPC_PORT: String(grpcPort),
    })
    const client = new ProductServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    const getProducts = async () => {
      const { products } = await callUnary(
        client.batchGetProducts.bind(client),
        { ids: [1], readMask: undefined },
        30_000,
      )
      assert.deepEqual(products, [])
    }

    const openAndResetStreams = async () => {
      const session = connectHttp2(`http://127.0.0.1:${grpcPort}`)
      session.on('error', () => {})
      for (let burst = 0; burst < 40 && !session.closed; burst++) {
        for (let stream = 0; stream < 100; stream++) {
          const call = session.request({
            ':method': 'POST',
            ':path': '/product.ProductService/ListProducts',
            'content-type': 'application/grpc',
            te: 'trailers',
          })
          call.on('error', () => {})
          call.close(constants.NGHTTP2_CANCEL)
        }
        await delay(10)
      }
      session.destroy()
    }
    const sendHttp1 = async () => {
      const socket = connect(grpcPort, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await untilClosed(socket)
    }
    const attack = () => Promise.all([openAndResetStreams(), openAndResetStreams(), sendHttp1()])
    assert.ok((await countServedDuring(attack, getProducts)) > 0)
    await getProducts()
    client.close()
    assert.equal(service.process.exitCode, null, 'the service has exited')
  })
})
