import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as contract from '@shop/contracts/product/product.ts'
import { double, int32, int32s, message, string } from '../support/wire.ts'

const productBytes = [
  ...int32(1, 7),
  ...string(2, 'Höhle \u{1F600}'),
  ...string(3, 'A novel'),
  ...double(4, 14.99),
  ...int32(5, 300),
  ...string(6, 'Books'),
  ...string(7, '2026-11-22T09:58:00.123Z'),
  ...string(8, '2026-11-22T09:59:00.456Z'),
  ...int32(9, 3),
  ...string(12, 'EUR'),
  ...string(17, 'g'),
]
const product = {
  id: 7,
  name: 'Höhle \u{1F600}',
  description: 'A novel',
  price: 14.99,
  stock: 300,
  category: 'Books',
  createdAt: '2026-11-22T09:58:00.123Z',
  updatedAt: '2026-11-22T09:59:00.456Z',
  version: 3,
  currency: 'EUR',
  groupId: 'g',
}

/**
 * The required encoding of one message of each type, with every field set. Field numbers, types and order
 * are those of the first implementation, whose clients are still in use. Written by hand: do not generate it.
 */
const messages: Readonly<Record<string, readonly [value: object, bytes: readonly number[]]>> = {
  Product: [product, productBytes],
  ProductResponse: [{ product }, message(1, productBytes)],
  GetProductRequest: [{ id: 7 }, int32(1, 7)],
  CreateProductRequest: [
    {
      name: 'n',
      description: 'd',
      price: 0.01,
      stock: 2_147_483_647,
      category: 'c',
      requestId: 'k',
      groupId: 'g',
    },
    [
      ...string(1, 'n'),
      ...string(2, 'd'),
      ...double(3, 0.01),
      ...int32(4, 2_147_483_647),
      ...string(5, 'c'),
      ...string(6, 'k'),
      ...string(12, 'g'),
    ],
  ],
  UpdateProductRequest: [
    {
      id: 7,
      name: 'n',
      description: 'd',
      price: 9_999_999_999.99,
      stock: 5,
      category: 'c',
      version: 3,
      requestId: 'k',
      groupId: '',
    },
    [
      ...int32(1, 7),
      ...string(2, 'n'),
      ...string(3, 'd'),
      ...double(4, 9_999_999_999.99),
      ...int32(5, 5),
      ...string(6, 'c'),
      ...int32(7, 3),
      ...string(8, 'k'),
      // Set although it is empty: that removes the product from its group.
      ...string(14, ''),
    ],
  ],
  DeleteProductRequest: [
    { id: 7, version: 3, requestId: 'k' },
    [...int32(1, 7), ...int32(2, 3), ...string(3, 'k')],
  ],
  DeleteProductResponse: [{ message: 'gone' }, string(1, 'gone')],
  ListProductsRequest: [{ pageSize: 20, pageToken: 't' }, [...int32(1, 20), ...string(2, 't')]],
  ListProductsResponse: [
    { products: [product, product], nextPageToken: 't' },
    [...message(1, productBytes), ...message(1, productBytes), ...string(2, 't')],
  ],
  GetTopMostExpensiveProductsRequest: [{ limit: 5 }, int32(1, 5)],
  GetLowStockProductsRequest: [
    { maxStock: 10, pageSize: 20, pageToken: 't' },
    [...int32(1, 10), ...int32(2, 20), ...string(3, 't')],
  ],
  GetProductsByCategoryRequest: [
    { category: 'Books', pageSize: 20, pageToken: 't' },
    [...string(1, 'Books'), ...int32(2, 20), ...string(3, 't')],
  ],
  BatchGetProductsRequest: [
    { ids: [1, 300, 2_147_483_647], readMask: ['name', 'created_at'] },
    [
      ...int32s(1, [1, 300, 2_147_483_647]),
      ...message(2, [...string(1, 'name'), ...string(1, 'created_at')]),
    ],
  ],
  BatchGetProductsResponse: [
    { products: [product, product] },
    [...message(1, productBytes), ...message(1, productBytes)],
  ],
}

const rpcs: readonly (readonly [name: string, request: string, response: string])[] = [
  ['GetProduct', 'GetProductRequest', 'ProductResponse'],
  ['CreateProduct', 'CreateProductRequest', 'ProductResponse'],
  ['UpdateProduct', 'UpdateProductRequest', 'ProductResponse'],
  ['DeleteProduct', 'DeleteProductRequest', 'DeleteProductResponse'],
  ['ListProducts', 'ListProductsRequest', 'ListProductsResponse'],
  ['GetTopMostExpensiveProducts', 'GetTopMostExpensiveProductsRequest', 'ListProductsResponse'],
  ['GetLowStockProducts', 'GetLowStockProductsRequest', 'ListProductsResponse'],
  ['GetProductsByCategory', 'GetProductsByCategoryRequest', 'ListProductsResponse'],
  ['BatchGetProducts', 'BatchGetProductsRequest', 'BatchGetProductsResponse'],
]

type Codec = Readonly<{
  encode: (value: object) => { finish: () => Uint8Array }
  decode: (bytes: Uint8Array) => object
}>

const codecOf = (name: string): Codec => {
  const codec: Codec | undefined = Reflect.get(contract, name)
  return codec ?? assert.fail(`the contract has no message ${name}`)
}

const sample = (name: string) => messages[name] ?? assert.fail(`no sample of ${name}`)

describe('the encoding matches the first implementation byte for byte', () => {
  for (const [name, [value, bytes]] of Object.entries(messages))
    test(name, () => {
      const codec = codecOf(name)
      assert.deepEqual([...codec.encode(value).finish()], bytes)
      assert.deepEqual(codec.decode(Uint8Array.from(bytes)), value)
    })
})

test('every generated message has a sample', () => {
  const generated = Object.entries(contract).filter(([, value]) => Object.hasOwn(value as object, 'decode'))
  assert.deepEqual(generated.map(([name]) => name).toSorted(), Object.keys(messages).toSorted())
})

test('RPCs have the paths, requests and responses of the first implementation', () => {
  const definitions = Object.values(contract.ProductServiceService)
  assert.deepEqual(
    definitions.map(({ path }) => path).toSorted(),
    rpcs.map(([name]) => `/product.ProductService/${name}`).toSorted(),
  )
  for (const [name, request, response] of rpcs) {
    const definition = definitions.find(({ path }) => path.endsWith(`/${name}`))
    assert.ok(definition)
    assert.equal(definition.requestStream || definition.responseStream, false)
    const [requestValue, requestBytes] = sample(request)
    const [responseValue, responseBytes] = sample(response)
    assert.deepEqual(definition.requestDeserialize(Buffer.from(requestBytes)), requestValue)
    assert.deepEqual([...definition.responseSerialize(responseValue as never)], responseBytes)
  }
})

describe('decoding', () => {
  test('reads missing fields as 0 or empty, which encoding omits', () => {
    for (const name of Object.keys(messages)) {
      const codec = codecOf(name)
      const empty = codec.decode(new Uint8Array())
      assert.equal(codec.encode(empty).finish().length, 0)
    }
    assert.deepEqual(contract.UpdateProductRequest.decode(new Uint8Array()), {
      id: 0,
      name: '',
      description: '',
      price: 0,
      stock: 0,
      category: '',
      version: 0,
      requestId: '',
      groupId: undefined,
    })
  })

  test('accepts repeated numbers that are not packed', () => {
    const bytes = Uint8Array.from([...int32(1, 1), ...int32(1, 300)])
    assert.deepEqual(contract.BatchGetProductsRequest.decode(bytes), { ids: [1, 300], readMask: undefined })
  })

  test('accepts fields in another order and ignores unknown fields', () => {
    const fields = [...string(99, 'new'), ...int32(2, 3), ...double(98, 1.5), ...int32(97, 1), ...int32(1, 7)]
    assert.deepEqual(contract.DeleteProductRequest.decode(Uint8Array.from(fields)), {
      id: 7,
      version: 3,
      requestId: '',
    })
  })

  test('accepts negative numbers', () => {
    const bytes = Uint8Array.from(int32(1, -1))
    assert.equal(bytes.length, 11)
    assert.deepEqual(contract.GetProductRequest.decode(bytes), { id: -1 })
  })
})
