import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  startHaproxy,
  startNginx,
  startVarnish,
  withoutHaproxy,
  withoutNginx,
  withoutVarnish,
} from '@shop/testing/proxies/proxies.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'

const shop = new AsyncDisposableStack()
let product: RunningService
let basket: RunningService
before(async () => {
  const folder = shop.use(await mkdtempDisposable(join(tmpdir(), 'proxies-')))
  const environment = { STORAGE: 'embedded', DATA_DIR: folder.path }
  const grpcPort = String(await freePort())
  const services = await Promise.all([
    startService('product', { ...environment, GRPC_PORT: grpcPort }),
    startService('basket', { ...environment, PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }),
  ])
  ;[product, basket] = services.map((service) => shop.use(service)) as [RunningService, RunningService]
})
after(() => shop.disposeAsync())

/** Starts a proxy in front of each service, before the tests of the suite. Stops them afterwards. */
const inFrontOfBoth = (start: (target: string) => Promise<AsyncDisposable & { url: string }>) => {
  const stack = new AsyncDisposableStack()
  const urls = { products: '', baskets: '' }
  before(async () => {
    const started = [start(product.url), start(basket.url)].map(async (proxy) => stack.use(await proxy).url)
    const [products = '', baskets = ''] = await Promise.all(started)
    Object.assign(urls, { products, baskets })
  })
  after(() => stack.disposeAsync())
  return urls
}

/** Creates a product at the service itself, without a proxy. Returns its path. */
const createProduct = async (fields: object = {}) => {
  const body = { name: 'Pen', price: 1, stock: 999, category: 'Office', ...fields }
  const response = await request('POST', `${product.url}/products`, body)
  assert.equal(response.status, 201)
  return { path: `/products/${response.body.id}`, id: Number(response.body.id) }
}

let users = 0
const newBasketPath = () => `/baskets/proxied-${++users}`

const addTo = (url: string, productId: number, headers = {}) =>
  request('POST', `${url}/items`, { product_id: productId, quantity: 1 }, headers)

describe('behind Varnish as it comes', { skip: withoutVarnish }, () => {
  const varnish = inFrontOfBoth(startVarnish)

  it('a basket is always the current one, and is found exactly while it exists', async () => {
    const { id } = await createProduct()
    const path = newBasketPath()
    const [cached, own] = [`${varnish.baskets}${path}`, `${basket.url}${path}`]
    const assertStatus = async (status: number) => assert.equal((await request('GET', cached)).status, status)
    await assertStatus(404)
    for (const count of [1, 2, 3]) {
      assert.equal((await addTo(count === 2 ? cached : own, id)).status, 200)
      const read = await request('GET', cached)
      assert.deepEqual([read.status, read.body.item_count], [200, count])
      assert.equal((await request('GET', cached)).body.item_count, count)
    }
    assert.equal((await request('DELETE', own)).status, 204)
    await assertStatus(404)
    assert.equal((await request('POST', `${basket.url}/baskets`, { user_id: path.slice(9) })).status, 201)
    await assertStatus(200)
  })

  it('products, lists, metrics and health are current', async () => {
    const { id, path } = await createProduct()
    const next = `/products/${id + 1}`
    assert.equal((await request('GET', varnish.products + next)).status, 404)
    assert.equal((await createProduct()).path, next)
    assert.equal((await request('GET', varnish.products + next)).status, 200)
    const list = `${varnish.products}/products/top-1`
    for (const price of [9_000_000_001, 9_000_000_002]) {
      await request('PATCH', product.url + path, { price })
      assert.equal((await request('GET', varnish.products + path)).body.price, price)
      assert.equal((await request('GET', list)).body.products[0].price, price)
    }
    for (const url of [varnish.products, varnish.baskets])
      for (const operation of ['/metrics', '/health', '/health/ready']) {
        const [first, second] = [await request('GET', url + operation), await request('GET', url + operation)]
        assert.equal(second.headers.get('age'), '0')
        assert.notDeepEqual(second.body, first.body)
      }
  })

  it('a client can revalidate with the ETag', async () => {
    const { id, path } = await createProduct()
    const basketPath = newBasketPath()
    await addTo(basket.url + basketPath, id)
    for (const [cached, change] of [
      [varnish.products + path, () => request('PATCH', product.url + path, { stock: 3 })],
      [varnish.baskets + basketPath, () => addTo(basket.url + basketPath, id)],
    ] as const) {
      const tag = String((await request('GET', cached)).headers.get('etag'))
      const revalidate = async () =>
        (await request('GET', cached, undefined, { 'if-none-match': tag })).status
      assert.equal(await revalidate(), 304)
      assert.equal(await revalidate(), 304)
      assert.ok((await change()).status === 200)
      assert.equal(await revalidate(), 200)
    }
  })
})

/** Reads, revalidates and writes with the ETag that the proxy passes on, and with one that is out of date. */
const assertTagsWork = async (
  url: string,
  write: (headers: Record<string, string>) => ReturnType<typeof request>,
) => {
  const read = await request('GET', url)
  const tag = String(read.headers.get('etag'))
  assert.equal((await request('GET', url, undefined, { 'if-none-match': tag })).status, 304)
  assert.equal((await write({ 'if-none-match': tag })).status, 412)
  assert.equal((await write({ 'if-match': tag })).status, 200)
  const stale = await write({ 'if-match': tag })
  assert.deepEqual([stale.status, stale.body.code], [412, 'stale_version'])
  assert.equal((await request('GET', url)).body.version, read.body.version + 1)
  return { tag, coding: read.headers.get('content-encoding') }
}

for (const [name, start, skip] of [
  ['nginx', startNginx, withoutNginx],
  ['HAProxy', startHaproxy, withoutHaproxy],
] as const)
  describe(`behind ${name} that compresses`, { skip }, () => {
    const proxy = inFrontOfBoth(start)

    it('writes with the weakened ETag succeed, and are refused with 412 if it is out of date', async () => {
      const { id, path } = await createProduct()
      const basketPath = newBasketPath()
      await addTo(basket.url + basketPath, id)
      const [productUrl, basketUrl] = [proxy.products + path, proxy.baskets + basketPath]
      let stock = 500
      for (const result of [
        await assertTagsWork(productUrl, (headers) =>
          request('PATCH', productUrl, { stock: ++stock }, headers),
        ),
        await assertTagsWork(productUrl, (headers) =>
          request('PUT', productUrl, { name: 'Pencil', price: 2, stock: ++stock }, headers),
        ),
        await assertTagsWork(basketUrl, (headers) => addTo(basketUrl, id, headers)),
        await assertTagsWork(basketUrl, (headers) =>
          request('PUT', `${basketUrl}/items/${id}`, { quantity: 2 }, headers),
        ),
      ]) {
        assert.match(result.tag, /^W\/"/)
        assert.equal(result.coding, 'gzip')
      }
    })

    it('a response that the service compresses keeps its strong ETag', async () => {
      const { path } = await createProduct({ description: 'A pen. '.repeat(500) })
      const url = proxy.products + path
      let stock = 500
      const { tag, coding } = await assertTagsWork(url, (headers) =>
        request('PATCH', url, { stock: ++stock }, headers),
      )
      assert.deepEqual([tag, coding], ['"1"', 'gzip'])
      const brotli = await request('GET', url, undefined, { 'accept-encoding': 'br, gzip' })
      assert.deepEqual(
        [brotli.headers.get('content-encoding'), brotli.headers.get('etag'), brotli.body.version],
        ['br', '"2"', 2],
      )
      const metrics = await request('GET', `${proxy.baskets}/metrics`)
      assert.equal(metrics.headers.get('content-encoding'), 'gzip')
      assert.match(metrics.body, /^build_info\{/m)
    })
  })
