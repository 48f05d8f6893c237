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

const patience = AbortSignal.timeout(60_000)

/** A connection over which `text` is sent, and then `drip` ten times a second for as long as it is open. */
const dripping = async (port: number, text: string, drip: string): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect', { signal: patience })
  socket.write(text)
  const dripped = setInterval(() => socket.write(drip), 100)
  socket.once('close', () => clearInterval(dripped))
  return socket
}

/** Resolves when the connection is closed: after 5 seconds for headers, and 15 for bodies. A server that only looks every half minute is too late. */
const closed = (socket: Socket) =>
  new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('still open')), 25_000)
    socket.once('close', () => {
      clearTimeout(late)
      resolve()
    })
  })

/** While the attack lasts somebody else is served, each time. Resolves with how many times that was. */
const servedDuring = async (
  serve: () => Promise<unknown>,
  attack: () => Promise<unknown>,
): Promise<number> => {
  const attacked = attack().then(() => 'over')
  for (let served = 0; ; served++) {
    await serve()
    if ((await Promise.race([attacked, delay(50)])) === 'over') return served + 1
  }
}

describe('a stranger who attacks', { concurrency: true }, () => {
  describe('the HTTP server', { concurrency: true }, () => {
    let folder: Awaited<ReturnType<typeof mkdtempDisposable>>
    let service: RunningService
    before(async () => {
      folder = await mkdtempDisposable(join(tmpdir(), 'attacks-'))
      service = await startService('basket', { DATA_DIR: folder.path })
    })
    after(async () => {
      assert.equal(service.process.exitCode, null, 'it has survived')
      await service.stop()
      await folder.remove()
    })
    const port = () => Number(new URL(service.url).port)
    const serve = async () =>
      assert.equal((await request('POST', `${service.url}/baskets`, { user_id: 'ann' })).body.user_id, 'ann')

    const head = 'POST /baskets HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n'
    for (const [name, text, drip] of [
      ['headers that never end', 'GET /baskets/ann HTTP/1.1\r\nHost: shop\r\nX-', 'a'],
      ['a body of a length that never comes', `${head}Content-Length: 60000\r\n\r\n{`, ' '],
      ['a body in chunks that never end', `${head}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
    ] as const)
      it(`with ${name}, on 200 connections, is cut off, and others are served`, async () => {
        const sockets = await Promise.all(Array.from({ length: 200 }, () => dripping(port(), text, drip)))
        try {
          assert.ok((await servedDuring(serve, () => Promise.all(sockets.map(closed)))) > 10)
        } finally {
          for (const socket of sockets) socket.destroy()
        }
      })

    it('with thousands of headers is answered, or refused', async () => {
      const headers = Array.from({ length: 3_000 }, (_, index) => `a${index}:\r\n`).join('')
      const socket = connect(port(), '127.0.0.1')
      socket.write(`GET /health/live HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n${headers}\r\n`)
      const [answer]: Buffer[] = await once(socket, 'data', { signal: patience })
      assert.match(String(answer), /^HTTP\/1\.1 (200|4\d\d) /)
      socket.destroy()
    })

    for (const [name, body] of [
      ['nested deep', `{"user_id":${'['.repeat(30_000)}${']'.repeat(30_000)}}`],
      ['nested deep and never closed', '{"a":'.repeat(12_000)],
      [
        'that names a prototype',
        '{"__proto__":{"user_id":"eve"},"constructor":{"prototype":{"user_id":"eve"}}}',
      ],
      ['of many members', `{${Array.from({ length: 6_000 }, (_, index) => `"m${index}":0`).join()}}`],
    ] as const)
      it(`with JSON ${name} gets a 400`, async () => {
        const response = await fetch(`${service.url}/baskets`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: patience,
        })
        assert.equal(response.status, 400)
        assert.match(await response.text(), /"code":"invalid"/)
        await serve()
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
      it(`with the path ${path} gets nowhere`, async () => {
        const socket = connect(port(), '127.0.0.1')
        // By hand, for clients resolve such paths themselves.
        socket.write(`GET ${path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n`)
        const [answer]: Buffer[] = await once(socket, 'data', { signal: patience })
        assert.match(String(answer), /^HTTP\/1\.1 40[0345] /)
        socket.destroy()
      })
  })

  it('the gRPC server, with streams opened and reset at once, leaves it serving others', {
    skip: withoutPostgres,
  }, async () => {
    await using schema = await ownSchema()
    const grpcPort = await freePort()
    await using service = await startService('product', {
      DATABASE_URL: schema.url,
      GRPC_PORT: String(grpcPort),
    })
    const client = new ProductServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
    const serve = async () => {
      const { products } = await callUnary(client.batchGetProducts.bind(client), { ids: [1] }, 30_000)
      assert.deepEqual(products, [])
    }

    const resets = async () => {
      const session = connectHttp2(`http://127.0.0.1:${grpcPort}`)
      session.on('error', () => {})
      for (let burst = 0; burst < 40 && !session.closed; burst++) {
        for (let stream = 0; stream < 100; stream++) {
          const opened = session.request({
            ':method': 'POST',
            ':path': '/product.ProductService/ListProducts',
            'content-type': 'application/grpc',
            te: 'trailers',
          })
          opened.on('error', () => {})
          opened.close(constants.NGHTTP2_CANCEL)
        }
        await delay(10)
      }
      session.destroy()
    }
    const garbage = async () => {
      const socket = connect(grpcPort, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      socket.write('GET / HTTP/1.1\r\nHost: shop\r\n\r\n')
      await closed(socket)
    }
    const served = await servedDuring(serve, () => Promise.all([resets(), resets(), garbage()]))
    assert.ok(served > 0)
    await serve()
    client.close()
    assert.equal(service.process.exitCode, null, 'it has survived')
  })
})
