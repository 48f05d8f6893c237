import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import type { BatchGetProductsResponse, ListProductsResponse } from '@shop/contracts/product/product.ts'
import { costs } from '../../src/application/costs.ts'
import { useCases } from '../../src/application/use-cases.ts'
import { writingRpcs } from '../../src/interfaces/grpc/product-service.ts'
import { connectTo } from '../support/grpc.ts'
import { openApp } from '../support/store.ts'

const remaining = (response: Readonly<{ headers: Readonly<Record<string, unknown>> }>): number =>
  Number(/;r=(\d+);/.exec(String(response.headers['ratelimit']))?.[1])

describe('the rate limits of the product service', () => {
  const stack = new AsyncDisposableStack()
  let app: Awaited<ReturnType<typeof openApp>>
  let client: ReturnType<typeof connectTo>['client']
  before(async () => {
    const http = { trustProxy: 'loopback' }
    app = stack.use(await openApp({ rates: { reads: 20, writes: 3 }, http, grpc: http }))
    ;({ client } = connectTo(await app.grpc.listen(0, '127.0.0.1')))
    stack.defer(() => client.close())
  })
  after(() => stack.disposeAsync())

  const get = (url: string, from: string) => app.http.inject({ url, remoteAddress: from })
  const metadataOf = (from: string) => {
    const metadata = new Metadata()
    metadata.set('x-forwarded-for', from)
    return metadata
  }
  const batchGet = (count: number, from: string) =>
    new Promise<status>((resolve) => {
      const ids = Array.from({ length: count }, (_, index) => index + 1)
      const done = (error: ServiceError | null, _response?: BatchGetProductsResponse) =>
        resolve(error?.code ?? status.OK)
      client.batchGetProducts(
        { ids, readMask: undefined },
        metadataOf(from),
        { deadline: Date.now() + 5_000 },
        done,
      )
    })
  const list = (pageSize: number, from: string) =>
    new Promise<status>((resolve) => {
      const done = (error: ServiceError | null, _response?: ListProductsResponse) =>
        resolve(error?.code ?? status.OK)
      client.listProducts(
        { pageSize, pageToken: '' },
        metadataOf(from),
        { deadline: Date.now() + 5_000 },
        done,
      )
    })

  it('weigh a list by its limit: one of 1,000 costs as much as eleven reads', async () => {
    const from = '198.51.100.1'
    assert.equal(remaining(await get('/products/1', from)), 19)
    assert.equal(remaining(await get('/products?limit=99', from)), 18)
    const large = await get('/products?limit=1000', from)
    assert.deepEqual([large.statusCode, remaining(large)], [200, 7])
    const refused = await get('/products?limit=1000', from)
    assert.deepEqual([refused.statusCode, remaining(refused)], [429, 0])
    assert.equal(refused.json().code, 'rate_limited')
    // What is refused counts: nothing is left.
    assert.equal((await get('/products/1', from)).statusCode, 429)
  })

  it('weigh invalid requests as one', async () => {
    const from = '198.51.100.2'
    assert.equal(remaining(await get('/products?limit=5000', from)), 19)
  })

  it('weigh each of several requests that share one query', async () => {
    const addresses = ['198.51.100.3', '198.51.100.4', '198.51.100.5']
    const pages = await Promise.all(addresses.map((from) => get('/products?limit=1000', from)))
    assert.deepEqual(pages.map(remaining), [9, 9, 9])
  })

  it('are the same over gRPC, where a batch is weighed by its ids', async () => {
    const { OK, RESOURCE_EXHAUSTED } = status
    const from = '198.51.100.6'
    assert.equal(await batchGet(1, from), OK)
    assert.equal(await list(1_000, from), OK)
    assert.equal(await batchGet(700, from), OK)
    assert.equal(await batchGet(1, from), RESOURCE_EXHAUSTED)
    // Both transports share the limit.
    assert.equal((await get('/products/1', from)).statusCode, 429)
  })

  it('are weighed for every use case, and every command is a write over gRPC', () => {
    const { commands, queries } = useCases(app.store)
    assert.deepEqual(Object.keys(costs).toSorted(), Object.keys({ ...commands, ...queries }).toSorted())
    const own = ['forgetOldWrites']
    assert.deepEqual([...writingRpcs, ...own].toSorted(), Object.keys(commands).toSorted())
  })

  it('let writes over gRPC use the limit of writes', async () => {
    const from = '198.51.100.7'
    const remove = () =>
      new Promise<status>((resolve) => {
        client.deleteProduct({ id: 1, version: 0, requestId: '' }, metadataOf(from), (error) =>
          resolve(error?.code ?? status.OK),
        )
      })
    const codes = [await remove(), await remove(), await remove(), await remove()]
    assert.deepEqual(codes, [...Array.from({ length: 3 }, () => status.NOT_FOUND), status.RESOURCE_EXHAUSTED])
    assert.equal((await get('/products/1', from)).statusCode, 404)
  })
})
