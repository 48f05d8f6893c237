import assert from 'node:assert/strict'
import { it } from 'node:test'
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { ProductServiceClient, ProductServiceService } from '@shop/contracts/product/product.ts'
import { fuzz } from '@shop/testing/asserts/openapi-fuzz.ts'
import * as fc from 'fast-check'
import { seedSamples } from '../../src/infrastructure/sample-products.ts'
import { openApp } from '../support/store.ts'

it('requests generated from the OpenAPI document never get a 500 or an undocumented response', async () => {
  await using app = await openApp()
  await seedSamples(app.store.products, app.store.reader)
  const seen = await fuzz(app.http, 120)
  const { paths } = (await app.http.inject('/openapi.json')).json()
  const operations = Object.values<Record<string, { tags?: string[] }>>(paths).flatMap(Object.values)
  assert.equal(seen.size, operations.filter(({ tags }) => tags?.includes('products')).length)
  // Every operation has received valid and invalid requests.
  for (const [operation, statuses] of seen)
    assert.ok(
      [...statuses].some((code) => code < 300) && statuses.has(400),
      `${operation}: ${[...statuses].join()}`,
    )
})

const int32 = fc.oneof(fc.integer({ min: -2, max: 12 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))
const text = fc.oneof(
  fc.string({ maxLength: 300, unit: 'grapheme' }),
  fc.constantFrom('', ' ', '\0', '\ud800', 'Books', 'x'.repeat(6_000)),
)
const message = fc.record({
  id: int32,
  ids: fc.array(int32, { maxLength: 20 }),
  name: text,
  description: text,
  price: fc.oneof(
    fc.double(),
    fc.integer({ min: -1, max: 9_999 }).map((cents) => cents / 100),
  ),
  stock: int32,
  category: text,
  version: int32,
  limit: int32,
  maxStock: int32,
  pageSize: int32,
  pageToken: fc.oneof(fc.constant(''), text),
})

it('RPCs end with OK, INVALID_ARGUMENT, NOT_FOUND or ABORTED for random messages', async () => {
  await using app = await openApp()
  await seedSamples(app.store.products, app.store.reader)
  const client = new ProductServiceClient(
    `127.0.0.1:${await app.grpc.listen(0)}`,
    credentials.createInsecure(),
  )
  const allowed = new Set([status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND, status.ABORTED])
  for (const [name, { path, requestSerialize, responseDeserialize }] of Object.entries(
    ProductServiceService,
  )) {
    const seen = new Set<status>()
    const property = fc.asyncProperty(message, async (request) => {
      const code = await new Promise<status>((resolve) => {
        const serialize = requestSerialize as (value: unknown) => Buffer
        client.makeUnaryRequest<unknown, unknown>(
          path,
          serialize,
          responseDeserialize,
          request,
          new Metadata(),
          (error: ServiceError | null) => resolve(error?.code ?? status.OK),
        )
      })
      seen.add(code)
      assert.ok(allowed.has(code), `${name}: ${status[code]}`)
    })
    await fc.assert(property, { numRuns: 60 })
    assert.ok(seen.has(status.INVALID_ARGUMENT), name)
  }
  client.close()
})
