import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BatchGetProductsResponse } from '@shop/contracts/product/product.ts'
import type { Product } from '../../src/domain/product.ts'
import { productMessage } from '../../src/interfaces/grpc/product-message.ts'
import { encodedResponse } from '../../src/interfaces/grpc/product-messages.ts'
import { maskedFields } from '../../src/interfaces/grpc/read-mask.ts'

const now = new Date()
const product = (id: number): Product => ({
  id,
  name: 'Lamp',
  description: 'It shines.',
  category: 'Home',
  groupId: 'lamps',
  price: 1_499n,
  stock: 7,
  version: 3,
  createdAt: now,
  updatedAt: now,
})

const decoded = (products: readonly Product[], mask?: readonly string[]) => {
  const response = encodedResponse(products, { currency: 'EUR', fields: maskedFields(mask) })
  return BatchGetProductsResponse.decode(response).products
}

describe('the responses of calls that shared a query', () => {
  it('have the fields that each asked for', () => {
    const products = [product(1), product(2)]
    for (const mask of [undefined, ['name'], ['price'], ['currency'], ['name'], ['*']]) {
      const expected = new Set(
        mask === undefined || mask[0] === '*'
          ? Object.keys(productMessage(product(1), 'EUR'))
          : ['id', ...mask],
      )
      for (const [index, message] of decoded(products, mask).entries())
        assert.deepEqual(
          message,
          Object.fromEntries(
            Object.entries(productMessage(product(index + 1), 'EUR')).map(([field, value]) => [
              field,
              expected.has(field) ? value : typeof value === 'string' ? '' : 0,
            ]),
          ),
        )
    }
  })

  it('encode each product once', () => {
    const shared = product(1)
    decoded([shared], ['created_at'])
    const later = { ...shared }
    Object.defineProperty(shared, 'createdAt', { get: () => assert.fail('encoded again') })
    assert.equal(decoded([shared], ['created_at'])[0]?.createdAt, later.createdAt.toISOString())
  })
})
