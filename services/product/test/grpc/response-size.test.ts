import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { limits, type Product } from '../../src/domain/product.ts'
import { productMessage } from '../../src/interfaces/grpc/product-message.ts'
import { maskedFields } from '../../src/interfaces/grpc/read-mask.ts'
import { pageLimits } from '../../src/interfaces/page-limits.ts'
import { assertFails } from '../support/grpc.ts'
import { assertPagesFit, maxResponseBytes, openLargeCatalog, sizeOf } from '../support/large-catalog.ts'

describe('products with descriptions of 5,000 characters', { skip: withoutPostgres }, () => {
  let catalog: Awaited<ReturnType<typeof openLargeCatalog>>
  let ids: readonly number[] = []
  before(async () => {
    catalog = await openLargeCatalog()
    ids = await catalog.store(300, '漢')
  })
  after(() => catalog[Symbol.asyncDispose]())

  it('are listed once each, in pages below 3.5 MiB that are as full as possible', async () => {
    for (const list of Object.values(catalog.lists)) assert.equal((await assertPagesFit(list, ids)).length, 2)
  })

  it('are refused by BatchGetProducts if they are too many, with what to do; the log has the status', async () => {
    const expected = [status.RESOURCE_EXHAUSTED, 'payload_too_large'] as const
    const batch = (count: number) =>
      catalog.rpc.batchGetProducts({ ids: ids.slice(0, count), readMask: undefined })
    await assertFails(batch(300), expected, '3.5 MiB', '300 products', 'fewer ids')
    const call = catalog.lines.findLast(({ msg }) => msg === 'call')
    assert.deepEqual(
      [call?.['rpc'], call?.['status']],
      ['product.ProductService/BatchGetProducts', 'RESOURCE_EXHAUSTED'],
    )
    assert.equal((await batch(240)).products.length, 240)
  })

  it('are all returned by BatchGetProducts without their descriptions', async () => {
    const { products } = await catalog.rpc.batchGetProducts({ ids: [...ids], readMask: ['name', 'price'] })
    assert.equal(products.length, 300)
    assert.ok(products.every(({ name, description }) => name.startsWith('Lamp') && description === ''))
    assert.ok(sizeOf({ products, nextPageToken: '' }) < 10_000)
  })
})

it('the longest list that is always whole is below 3.5 MiB, and the batch of 100 of the basket service below 125 KiB', () => {
  const widest = '😀'
  const now = new Date()
  const largest: Product = {
    id: limits.integer,
    name: widest.repeat(limits.name),
    description: widest.repeat(limits.description),
    category: widest.repeat(limits.category),
    groupId: widest.repeat(limits.groupId),
    price: 999_999_999_999n,
    stock: limits.integer,
    version: limits.integer,
    createdAt: now,
    updatedAt: now,
  }
  const products = Array.from({ length: Math.max(pageLimits.top, 100) }, () => productMessage(largest, 'EUR'))
  assert.ok(sizeOf({ products, nextPageToken: '' }) < maxResponseBytes)
  const fields = maskedFields(['id', 'name', 'price', 'category', 'stock', 'currency'])
  const masked = Array.from({ length: 100 }, () => productMessage(largest, 'EUR', fields))
  assert.ok(sizeOf({ products: masked, nextPageToken: '' }) < 125 * 1024)
})
