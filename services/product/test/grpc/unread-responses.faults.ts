import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { credentials } from '@grpc/grpc-js'
import { ListProductsRequest, ProductServiceClient } from '@shop/contracts/product/product.ts'
import { callUnary } from '@shop/platform/grpc/client.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'

const calls = 1_000
const attackMs = 35_000
const maxRssMib = 300

const rssOf = ({ process: { pid } }: RunningService): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Lists 1,000 products 1,000 times on one connection that takes no response. Returns how the calls ended so far. */
const listWithoutReading = (port: number) => {
  const socket = connectSocket({ host: '127.0.0.1', port, localAddress: '127.0.0.9' })
  const session = connect(`http://127.0.0.1:${port}`, {
    createConnection: () => socket,
    settings: { initialWindowSize: 0 },
    peerMaxConcurrentStreams: calls,
  })
  session.on('error', () => {})
  const request = Buffer.from(ListProductsRequest.encode({ pageSize: 1_000, pageToken: '' }).finish())
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request])
  let ended = 0
  for (let call = 0; call < calls; call++) {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/product.ProductService/ListProducts',
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {}).on('close', () => (ended += 1))
    stream.resume().end(message)
  }
  return { ended: () => ended, [Symbol.dispose]: () => session.destroy() }
}

describe('1,000 lists on a connection that takes no response', { skip: withoutPostgres }, () => {
  let schema: Awaited<ReturnType<typeof ownSchema>>
  before(async () => {
    schema = await ownSchema()
  })
  after(() => schema[Symbol.asyncDispose]())

  for (const [texts, length] of [
    ['short', 200],
    ['long', 5_000],
  ] as const)
    it(`with ${texts} texts leave the service to others, and are all ended after 30 s`, async () => {
      const grpcPort = await freePort()
      const variables = { DATABASE_URL: schema.url, GRPC_PORT: String(grpcPort), LOG_LEVEL: 'warn' }
      await using service = await startService('product', variables)
      await query('truncate products restart identity', schema.url)
      await query(
        `insert into products (name, description, price, stock, category)
         select 'Lamp ' || n, repeat('漢', ${length}), 1, n % 7, 'Home' from generate_series(1, 1000) n`,
        schema.url,
      )
      const innocent = new ProductServiceClient(`127.0.0.1:${grpcPort}`, credentials.createInsecure())
      const get = () => callUnary(innocent.getProduct.bind(innocent), { id: 7 }, 5_000)
      await get()
      using attack = listWithoutReading(grpcPort)
      const end = performance.now() + attackMs
      let maxRss = 0
      while (performance.now() < end) {
        await get()
        maxRss = Math.max(maxRss, rssOf(service))
        await delay(25)
      }
      innocent.close()
      assert.equal(attack.ended(), calls)
      assert.ok(maxRss < maxRssMib, `${maxRss} MiB`)
    })
})
