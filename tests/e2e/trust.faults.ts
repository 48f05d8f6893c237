import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { credentials, Metadata } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { proxyOn } from '@shop/testing/services/tcp.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'

type Line = Readonly<Record<string, unknown>>

const linesOf = (service: RunningService, msg: string): Line[] =>
  service
    .output()
    .split('\n')
    .filter((line) => line.includes(`"msg":"${msg}"`))
    .map((line) => JSON.parse(line))

/** All ids under which a line is found. */
const idsOf = ({ request_id, joined_request_ids: joined }: Line): unknown[] => [
  request_id,
  ...(Array.isArray(joined) ? joined : []),
]

/** Starts a product service that trusts 127.0.0.2 alone, and a basket service that calls it from there. */
const startShop = async () => {
  await using stack = new AsyncDisposableStack()
  const schema = stack.use(await ownSchema())
  const folder = stack.use(await mkdtempDisposable(`${tmpdir()}/trust-`))
  const [grpcPort, proxyPort] = [await freePort(), await freePort()]
  const variables = { DATABASE_URL: schema.url, TRUST_PROXY: '127.0.0.2/32', WORKERS: '2' }
  const product = stack.use(await startService('product', { ...variables, GRPC_PORT: String(grpcPort) }))
  const target = { host: '127.0.0.1', port: grpcPort, localAddress: '127.0.0.2' }
  await stack.use(proxyOn(proxyPort, target)).start()
  const environment = { DATA_DIR: folder.path, PRODUCT_SERVICE_URL: `127.0.0.1:${proxyPort}` }
  const basket = stack.use(await startService('basket', environment))
  const owned = stack.move()
  return { product, basket, grpcPort, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const call = async (port: number, id: string): Promise<void> => {
  // Each client has a connection of its own, so that both workers get some.
  const options = { 'grpc.use_local_subchannel_pool': 1 }
  const client = new ProductServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), options)
  const metadata = new Metadata()
  metadata.set('x-request-id', id)
  metadata.set('x-joined-request-ids', `${id}-joined`)
  await new Promise<void>((resolve) => {
    client.getProduct({ id: 1 }, metadata, { deadline: Date.now() + 20_000 }, () => resolve())
  })
  client.close()
}

describe('the log of a product service that trusts one peer', { skip: withoutPostgres }, () => {
  it('has the ids of the requests of that peer, but not those that others send', async () => {
    await using shop = await startShop()
    const { product, basket, grpcPort } = shop
    const created = await request('POST', `${product.url}/products`, { name: 'Emma', price: 1, stock: 900 })
    const add = async (id: string) => {
      const body = { product_id: created.body.id, quantity: 1 }
      const url = `${basket.url}/baskets/ann/items`
      const { status, headers } = await request('POST', url, body, { 'x-request-id': id })
      // The basket service trusts this machine, as every service does in development.
      assert.deepEqual([status, headers.get('x-request-id')], [200, id])
    }
    const sent: string[] = []
    await eventually(20_000, async () => {
      const ids = Array.from({ length: 8 }, (_, index) => `basket-${sent.length + index}`)
      sent.push(...ids)
      await Promise.all(ids.map(add))
      const lines = linesOf(product, 'call')
      const found = new Set(lines.flatMap(idsOf))
      assert.ok(sent.every((id) => found.has(id)))
      assert.ok(lines.some((line) => 'joined_request_ids' in line))
    })

    await Promise.all(Array.from({ length: 8 }, () => call(grpcPort, 'stranger')))
    const path = `${product.url}/products/${created.body.id}`
    const read = () => request('GET', path, undefined, { 'x-request-id': 'stranger' })
    const responses = await Promise.all(Array.from({ length: 8 }, read))
    const ownIds = responses.map(({ headers }) => headers.get('x-request-id'))
    const ofStranger = (msg: string) =>
      linesOf(product, msg).filter((line) => line['client_request_id'] === 'stranger')
    await eventually(20_000, async () => {
      const logged = new Set(ofStranger('request').map((line) => line['request_id']))
      assert.deepEqual(logged, new Set(ownIds))
      assert.equal(ofStranger('call').length, 8)
    })
    for (const msg of ['request', 'call'])
      assert.equal(new Set(ofStranger(msg).map(({ pid }) => pid)).size, 2, `both workers log a ${msg}`)
    assert.equal(new Set(ofStranger('call').flatMap(idsOf)).size, 8)
    assert.equal(product.output().split('stranger').length, 17, 'once on each of the 16 lines')
  })
})
