import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { credentials, Metadata } from '@grpc/grpc-js'
import { ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp as createBasketApp } from '../services/basket/src/app.ts'
import { openPorts } from '../services/basket/test/support/ports.ts'
import { openApp as openProductApp } from '../services/product/test/support/store.ts'

type Call = Readonly<{ name: string; requestId: string }>

/** A step that records the calls that pass through it. */
const createRecorder = () => {
  const calls: Call[] = []
  const step: Step = (use, name) => (input, context) => {
    calls.push({ name, requestId: context.requestId })
    return use(input, context)
  }
  return { step, calls }
}

/** Both services take the request ids of these tests. */
const trusting = { trustProxy: 'loopback' }

type Http = Awaited<ReturnType<typeof createBasketApp>>['http']
type Operation = Readonly<{ operationId: string; tags: readonly string[] }>

/** Values for the parameters in the paths. */
const pathParameters: Readonly<Record<string, string>> = {
  id: '1',
  n: '5',
  category: 'Home',
  user_id: 'ann',
  product_id: '1',
}

const bodies: Readonly<Record<string, object>> = {
  createProduct: { name: 'Lamp', price: 1 },
  replaceProduct: { name: 'Lamp', price: 1 },
  patchProduct: { price: 2 },
  createBasket: { user_id: 'ann' },
  addItem: { product_id: 1, quantity: 1 },
  setQuantities: { items: [{ product_id: 1, quantity: 2 }] },
  setQuantity: { quantity: 2 },
}

/**
 * Sends a request to every operation in the service's OpenAPI document except those tagged `operations`.
 * Deletions come last. Resolves with the operation ids, which are also the request ids.
 */
const requestEveryOperation = async (http: Http): Promise<string[]> => {
  const { paths } = (await http.inject('/openapi.json')).json()
  const operations = Object.entries<Record<string, Operation>>(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    .filter(({ operation }) => !operation.tags.includes('operations'))
    .toSorted((a, b) => Number(a.method === 'delete') - Number(b.method === 'delete'))
  for (const { path, method, operation } of operations) {
    const payload = bodies[operation.operationId]
    await http.inject({
      method: method.toUpperCase() as 'GET',
      url: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => pathParameters[name] ?? ''),
      headers: { 'x-request-id': operation.operationId },
      ...(payload && { payload }),
    })
  }
  return operations.map(({ operation }) => operation.operationId)
}

/** Calls every RPC. Resolves with their names, which are also the request ids. */
const callEveryRpc = async (port: number): Promise<string[]> => {
  const client = new ProductServiceClient(`127.0.0.1:${port}`, credentials.createInsecure())
  const requests: Readonly<Record<string, object>> = {
    createProduct: { name: 'Lamp', description: '', price: 1, stock: 1, category: '' },
    updateProduct: { id: 1, name: 'Lamp', description: '', price: 1, stock: 1, category: '', version: 0 },
    batchGetProducts: { ids: [1] },
  }
  for (const name of Object.keys(ProductServiceService)) {
    const metadata = new Metadata()
    metadata.set('x-request-id', name)
    const defaults = {
      id: 1,
      version: 0,
      limit: 0,
      maxStock: 1,
      category: 'Home',
      pageSize: 0,
      pageToken: '',
      requestId: '',
    }
    const method: ProductServiceClient['getProduct'] = Reflect.get(client, name)
    await new Promise<void>((resolve) => {
      const request = (requests[name] ?? defaults) as Parameters<typeof method>[0]
      method.call(client, request, metadata, { deadline: Date.now() + 20_000 }, () => resolve())
    })
  }
  client.close()
  return Object.keys(ProductServiceService)
}

const requestIdsOf = (calls: readonly Call[]) => new Set(calls.map(({ requestId }) => requestId))

describe('a step in the pipeline', () => {
  it('sees every HTTP operation and every RPC of the product service', async () => {
    const { step, calls } = createRecorder()
    await using app = await openProductApp({ http: trusting, grpc: trusting, steps: [step] })
    const requested = await requestEveryOperation(app.http)
    assert.ok(requested.length >= 9)
    assert.deepEqual(requestIdsOf(calls.splice(0)), new Set(requested))
    const called = await callEveryRpc(await app.grpc.listen(0))
    assert.ok(called.length >= 9)
    assert.deepEqual(requestIdsOf(calls.splice(0)), new Set(called))
    assert.equal((await app.http.inject('/metrics')).statusCode, 200)
    assert.deepEqual(calls, [{ name: 'catalogStatistics', requestId: 'catalog-statistics' }])
  })

  it('sees every HTTP operation and every job of the basket service', async () => {
    const { step, calls } = createRecorder()
    await using basketPorts = await openPorts(async (id) => ({
      id,
      name: 'Lamp',
      price: 1n,
      category: '',
      stock: 9,
    }))
    const { ports } = basketPorts
    await using app = await createBasketApp({ ports, dependencies: [] }, silentLogger, undefined, {
      http: trusting,
      steps: [step],
    })
    const requested = await requestEveryOperation(app.http)
    assert.ok(requested.length >= 7)
    assert.deepEqual(requestIdsOf(calls.splice(0)), new Set(requested))
    for (const { work } of app.jobs) await work(AbortSignal.abort())
    assert.deepEqual(
      calls.map(({ name }) => name),
      ['removeExpiredBaskets'],
    )
  })
})
