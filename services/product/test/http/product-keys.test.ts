import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { type Metadata, status } from '@grpc/grpc-js'
import {
  CreateProductRequest,
  DeleteProductRequest,
  type ProductServiceClient,
  UpdateProductRequest,
} from '@shop/contracts/product/product.ts'
import { sql } from 'kysely'
import { assertFails, connectTo } from '../support/grpc.ts'
import { assertProblem, type Request, send } from '../support/http.ts'
import { openApp } from '../support/store.ts'

const reused = { status: 422, code: 'idempotency_key_reused' } as const
const reusedCall = [status.INVALID_ARGUMENT, 'idempotency_key_reused'] as const
const lamp = { name: 'Lamp', price: 34.5, stock: 5, category: 'Home', description: 'LED', group_id: 'lamps' }

describe('writes of products with an idempotency key', () => {
  let app: Awaited<ReturnType<typeof openApp>>
  let client: ProductServiceClient
  let rpc: ReturnType<typeof connectTo>['rpc']
  let key = 0
  before(async () => {
    app = await openApp()
    ;({ client, rpc } = connectTo(await app.grpc.listen(0)))
  })
  afterEach(() => {
    app.store.published.length = 0
  })
  after(async () => {
    client.close()
    await app[Symbol.asyncDispose]()
  })

  const newKey = () => `"key ${(key += 1)}"`
  const write = (
    method: Request['method'],
    path: string,
    idempotencyKey: string,
    payload?: object,
    headers = {},
  ) =>
    send(app.http, {
      ...(method && { method }),
      url: `/products${path}`,
      headers: { 'idempotency-key': idempotencyKey, ...headers },
      ...(payload && { payload }),
    })
  type Received = Awaited<ReturnType<typeof write>>
  /** The first response again, and nothing else has happened. */
  const assertReplayed = (again: Received, { statusCode, headers, body }: Received) => {
    assert.deepEqual([again.statusCode, again.body], [statusCode, body])
    for (const header of ['etag', 'location', 'content-type', 'cache-control'])
      assert.equal(again.headers[header], headers[header], header)
    assert.deepEqual(
      [headers['idempotent-replayed'], again.headers['idempotent-replayed']],
      [undefined, 'true'],
    )
  }
  const create = async () => (await write('POST', '', newKey(), lamp)).json()

  it('POST creates once', async () => {
    const own = newKey()
    const first = await write('POST', '', own, lamp)
    assert.equal(first.statusCode, 201)
    assert.equal(first.headers.location, `/products/${first.json().id}`)
    assert.ok(first.headers.etag)
    // The same object, with its members in another order and other white space; the same key, without quotes.
    const same = JSON.stringify(Object.fromEntries(Object.entries(lamp).toReversed()), undefined, 3)
    const again = await send(app.http, {
      method: 'POST',
      url: '/products',
      headers: { 'idempotency-key': own.slice(1, -1), 'content-type': 'application/json' },
      payload: same,
    })
    assertReplayed(again, first)
    assert.deepEqual(
      app.store.published.map(({ type }) => type),
      ['product_created'],
    )
  })

  for (const [method, change] of [
    ['PUT', { ...lamp, stock: 90 }],
    ['PATCH', { stock: 90 }],
  ] as const)
    it(`${method} changes once, and its precondition is not judged again`, async () => {
      const { id } = await create()
      const [own, headers] = [newKey(), { 'if-match': '"1"' }]
      const tag = (await send(app.http, { url: `/products/${id}` })).headers.etag
      const first = await write(method, `/${id}`, own, change, { 'if-match': tag })
      assert.deepEqual([first.statusCode, first.json().version, first.json().stock], [200, 2, 90])
      assertReplayed(await write(method, `/${id}`, own, change, { 'if-match': tag }), first)
      // Without the key it fails.
      assert.equal((await write(method, `/${id}`, newKey(), change, headers)).statusCode, 412)
      await write('PATCH', `/${id}`, newKey(), { stock: 7 })
      assertReplayed(await write(method, `/${id}`, own, change, { 'if-match': tag }), first)
      assert.equal((await send(app.http, { url: `/products/${id}` })).json().stock, 7)
      await write('DELETE', `/${id}`, newKey())
      assertReplayed(await write(method, `/${id}`, own, change), first)
    })

  it('DELETE removes once', async () => {
    const { id } = await create()
    const own = newKey()
    const first = await write('DELETE', `/${id}`, own)
    assert.equal(first.statusCode, 204)
    assertReplayed(await write('DELETE', `/${id}`, own), first)
    assert.equal((await write('DELETE', `/${id}`, newKey())).statusCode, 404)
  })

  it('a key is of one method, path and body', async () => {
    const { id } = await create()
    const { id: otherId } = await create()
    const own = newKey()
    assert.equal((await write('PATCH', `/${id}`, own, { stock: 3 })).statusCode, 200)
    for (const [method, path, payload] of [
      ['PATCH', `/${id}`, { stock: 4 }],
      ['PATCH', `/${otherId}`, { stock: 3 }],
      ['PUT', `/${id}`, lamp],
      ['DELETE', `/${id}`, undefined],
      ['POST', '', lamp],
    ] as const)
      assertProblem(await write(method, path, own, payload), `/products${path}`, reused)
    assert.deepEqual((await send(app.http, { url: `/products/${id}` })).json().version, 2)
    assert.equal((await send(app.http, { url: `/products/${otherId}` })).json().version, 1)
  })

  it('a refused write is judged again', async () => {
    const { id } = await create()
    const own = newKey()
    assert.equal((await write('PATCH', `/${id}`, own, { stock: 3 }, { 'if-match': '"9"' })).statusCode, 412)
    assert.equal((await write('PATCH', `/${id}`, own, { stock: -3 })).statusCode, 400)
    const response = await write('PATCH', `/${id}`, own, { stock: 3 })
    assert.deepEqual([response.statusCode, response.headers['idempotent-replayed']], [200, undefined])
  })

  it('a malformed key is refused, and nothing is written', async () => {
    const problem = { status: 400, code: 'invalid', paths: ['/Idempotency-Key'] } as const
    for (const bad of ['', '"', '"a', 'é', 'x'.repeat(256)])
      assertProblem(await write('POST', '', bad, lamp), '/products', problem)
    assert.deepEqual(app.store.published, [])
  })

  it('over gRPC, request_id is the key', async () => {
    const replayed = async <Response>(
      call: (received: (metadata: Metadata) => void) => Promise<Response>,
    ) => {
      let value: unknown
      const response = await call((metadata) => {
        ;[value] = metadata.get('idempotent-replayed')
      })
      return { response, value }
    }
    const createOverGrpc = (requestId: string, name = 'Lamp') =>
      replayed(
        (received) =>
          new Promise((resolve, reject) => {
            const request = CreateProductRequest.fromPartial({ name, price: 1, requestId })
            const call = client.createProduct(request, (error, response) =>
              error ? reject(error) : resolve(response),
            )
            call.on('metadata', received)
          }),
      )
    const first = await createOverGrpc('g1')
    const again = await createOverGrpc('g1')
    assert.deepEqual(again.response, first.response)
    assert.deepEqual([first.value, again.value], [undefined, 'true'])
    await assertFails(createOverGrpc('g1', 'Pen'), reusedCall)
    await assertFails(createOverGrpc('é'), [status.INVALID_ARGUMENT, 'invalid'], 'request_id')
    const { id } = (first.response as { product: { id: number } }).product
    const update = UpdateProductRequest.fromPartial({
      id,
      name: 'Pen',
      price: 2,
      version: 1,
      requestId: 'g2',
    })
    const updated = await rpc.updateProduct(update)
    assert.equal(updated.product?.version, 2)
    assert.deepEqual(await rpc.updateProduct(update), updated)
    const removal = DeleteProductRequest.fromPartial({ id, version: 2, requestId: 'g3' })
    assert.deepEqual(await rpc.deleteProduct(removal), { message: `product ${id} deleted` })
    assert.deepEqual(await rpc.deleteProduct(removal), { message: `product ${id} deleted` })
    assert.deepEqual(await rpc.updateProduct(update), updated)
  })

  it('a key of HTTP is refused over gRPC, and the other way round', async () => {
    assert.equal((await write('POST', '', 'both', { name: 'Lamp', price: 1 })).statusCode, 201)
    const request = CreateProductRequest.fromPartial({ name: 'Lamp', price: 1, requestId: 'both' })
    await assertFails(rpc.createProduct(request), reusedCall)
    await rpc.createProduct({ ...request, requestId: 'other' })
    assertProblem(await write('POST', '', 'other', { name: 'Lamp', price: 1 }), '/products', reused)
  })

  it('repetitions and reused keys are counted', async () => {
    const { body } = await send(app.http, { url: '/metrics' })
    for (const outcome of ['replayed', 'reused'])
      assert.match(body, new RegExp(`^idempotency_keys_total\\{[^}]*outcome="${outcome}"[^}]*\\} [1-9]`, 'm'))
  })

  it('the job forgets what is old', async () => {
    const { database } = app.store
    const own = newKey()
    await write('POST', '', own, lamp)
    await sql`update idempotency_keys set written_at = now() - interval '25 hours'`.execute(database)
    for (const { name, work } of app.jobs) if (name === 'old-writes') await work(new AbortController().signal)
    const again = await write('POST', '', own, lamp)
    assert.deepEqual([again.statusCode, again.headers['idempotent-replayed']], [201, undefined])
  })
})
