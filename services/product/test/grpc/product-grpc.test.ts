import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { type ServiceError, status } from '@grpc/grpc-js'
import { BadRequest, ErrorInfo, Status } from '@shop/contracts/google/rpc/errors.ts'
import type { Product } from '../../src/domain/product.ts'
import { assertFails, invalid, notFound, openGrpc, stale } from '../support/grpc.ts'
import { creationOf } from '../support/store.ts'

const service = await openGrpc()
const { client, rpc, store } = service
after(() => service[Symbol.asyncDispose]())

let lamp: Product
beforeEach(async () => {
  await store.database.deleteFrom('products').execute()
  lamp = await store.products.add(creationOf())
})

const unknownId = 2_147_483_647
const negativeNumbers = [-1, -2_147_483_648]

/** Returns the lamp as a message, with these changes. */
const lampMessage = (changes: object = {}) => ({
  id: lamp.id,
  name: 'Desk Lamp',
  description: 'LED, dimmable',
  price: 34.5,
  stock: 5,
  category: 'Home',
  createdAt: lamp.createdAt.toISOString(),
  updatedAt: lamp.updatedAt.toISOString(),
  version: 1,
  currency: 'EUR',
  groupId: '',
  ...changes,
})

const emptyProduct = { name: '', description: '', price: 0, stock: 0, category: '', groupId: '' }
const emptyFields = { ...emptyProduct, requestId: '' }
const update = (changes: object) =>
  rpc.updateProduct({ id: lamp.id, version: 0, ...emptyFields, name: 'x', ...changes })

const remove = (request: object) => rpc.deleteProduct({ id: lamp.id, version: 0, requestId: '', ...request })

const findLamp = () => store.reader.find(lamp.id)

describe('GetProduct', () => {
  test('returns the product', async () => {
    assert.deepEqual((await rpc.getProduct({ id: lamp.id })).product, lampMessage())
  })

  test('fails with NOT_FOUND for an unknown product', () =>
    assertFails(rpc.getProduct({ id: unknownId }), notFound, `product ${unknownId} not found`))

  test('fails with INVALID_ARGUMENT for an id that is missing or below 1', async () => {
    for (const id of [0, ...negativeNumbers]) await assertFails(rpc.getProduct({ id }), invalid, 'id must')
  })

  test('returns prices exactly, from zero to the maximum', async () => {
    for (const [price, decimal] of [
      [0n, 0],
      [1n, 0.01],
      [29n, 0.29],
      [999_999_999_999n, 9_999_999_999.99],
    ] as const) {
      const { id } = await store.products.add(creationOf({ price }))
      assert.equal((await rpc.getProduct({ id })).product?.price, decimal)
    }
  })
})

describe('CreateProduct', () => {
  test('returns the product as stored', async () => {
    const fields = {
      name: 'x',
      description: 'y',
      price: 9_999_999_999.99,
      stock: 7,
      category: 'z',
      groupId: 'g',
    }
    const { product } = await rpc.createProduct({ ...fields, name: ' x ', requestId: '' })
    assert.ok(product)
    const { id, createdAt, updatedAt, version, currency, ...rest } = product
    assert.deepEqual(rest, fields)
    assert.equal(version, 1)
    assert.equal(currency, 'EUR')
    assert.equal(updatedAt, createdAt)
    const storedProduct = await store.reader.find(id)
    assert.ok(storedProduct)
    assert.equal(storedProduct.price, 999_999_999_999n)
    assert.equal(storedProduct.createdAt.toISOString(), createdAt)
  })

  test('uses 0 and the empty string for missing fields', async () => {
    const { product } = await rpc.createProduct({ ...emptyFields, name: 'x' })
    assert.deepEqual({ ...product, ...emptyProduct, name: 'x' }, product)
  })

  test('fails with INVALID_ARGUMENT for a price that is not a valid amount', async () => {
    const nearlyExact = [Math.fround(14.99), 14.99 + 2 ** -49, 9_999_999_999.990_002]
    for (const price of [NaN, Infinity, -Infinity, 14.999, -0.01, 1e10, 1e300, 5e-324, ...nearlyExact])
      await assertFails(rpc.createProduct({ ...emptyFields, name: 'x', price }), invalid, 'price must')
  })

  test('fails with INVALID_ARGUMENT for fields that break rules, and names each of them', async () => {
    const broken = {
      name: ' ',
      description: 'a\0b',
      price: 1,
      stock: -1,
      category: 'x'.repeat(101),
      groupId: 'x'.repeat(65),
      requestId: '',
    }
    await assertFails(
      rpc.createProduct(broken),
      invalid,
      'name must',
      'description must',
      'stock must',
      'category must',
      'group_id must',
    )
    await assertFails(rpc.createProduct(emptyFields), invalid, 'name must')
    await assertFails(rpc.createProduct({ ...emptyFields, name: 'x'.repeat(201) }), invalid, 'name must')
  })
})

test('the longest valid product, in characters of four bytes, is created and updated', async () => {
  const fields = {
    ...emptyFields,
    name: '😀'.repeat(200),
    description: '😀'.repeat(5_000),
    category: '😀'.repeat(100),
    groupId: '😀'.repeat(64),
  }
  assert.equal((await rpc.createProduct(fields)).product?.groupId, fields.groupId)
  assert.equal((await update(fields)).product?.description, fields.description)
})

describe('texts over gRPC', () => {
  test('follow the same rules as over HTTP', async () => {
    for (const text of ['a\u001bb', 'a\r\nb', 'a\u202eb'])
      for (const field of ['name', 'category'])
        await assertFails(
          rpc.createProduct({ ...emptyFields, name: 'x', [field]: text }),
          invalid,
          `${field} must`,
        )
    for (const description of ['a\u001bb', '\u0085'])
      await assertFails(
        rpc.createProduct({ ...emptyFields, name: 'x', description }),
        invalid,
        'description must',
      )
    for (const name of ['\u200b', '\u2060\u180e\u3164'])
      await assertFails(update({ name }), invalid, 'name must have a visible character')
  })

  test('of an earlier version can be read, listed and written again unchanged', async () => {
    const texts = { name: '\u200b', description: 'a\u001b', category: 'a\nb' }
    await store.database.updateTable('products').set(texts).execute()
    assert.deepEqual((await rpc.getProduct({ id: lamp.id })).product, lampMessage(texts))
    const { products } = await rpc.getProductsByCategory({ category: 'a\nb', pageSize: 0, pageToken: '' })
    assert.deepEqual(products, [lampMessage(texts)])
    assert.equal((await update({ ...texts, stock: 9 })).product?.stock, 9)
  })
})

describe('UpdateProduct', () => {
  test('keeps the group if it is unset, and removes the product from its group if it is empty', async () => {
    lamp = await store.products.add(creationOf({ groupId: 'lamps' }))
    const { groupId: _unset, ...originals } = emptyFields
    const request = { id: lamp.id, version: 0, ...originals, name: 'x' }
    assert.equal((await rpc.updateProduct(request)).product?.groupId, 'lamps')
    assert.equal((await update({ groupId: 'other' })).product?.groupId, 'other')
    assert.equal((await findLamp())?.groupId, 'other')
    assert.equal((await update({ groupId: '' })).product?.groupId, '')
    assert.equal((await findLamp())?.groupId, null)
  })

  test('replaces every field; missing fields become 0 or empty', async () => {
    const { product } = await update({})
    assert.ok(product)
    assert.deepEqual(
      product,
      lampMessage({ ...emptyProduct, name: 'x', version: 2, updatedAt: product.updatedAt }),
    )
    assert.ok(product.updatedAt >= product.createdAt)
    assert.equal((await findLamp())?.price, 0n)
  })

  test('takes effect if the version is the stored one, or 0', async () => {
    assert.equal((await update({ version: 1 })).product?.version, 2)
    assert.equal((await update({ version: 2 })).product?.version, 3)
    assert.equal((await update({ version: 0 })).product?.version, 4)
  })

  test('fails with ABORTED if another version is stored, and changes nothing', async () => {
    await assertFails(update({ version: 2 }), stale, `precondition failed: product ${lamp.id}`, 'version 1')
    await assertFails(update({ version: unknownId }), stale)
    assert.deepEqual(await findLamp(), lamp)
  })

  test('fails with NOT_FOUND for an unknown product, with or without a version, and creates nothing', async () => {
    await assertFails(update({ id: unknownId }), notFound)
    await assertFails(update({ id: unknownId, version: 1 }), notFound)
    assert.equal(await store.reader.find(unknownId), undefined)
  })

  test('fails with INVALID_ARGUMENT for an id, version or field out of range', async () => {
    for (const id of [0, ...negativeNumbers]) await assertFails(update({ id }), invalid, 'id must')
    for (const version of negativeNumbers) await assertFails(update({ version }), invalid, 'version must')
    for (const price of [Number.NaN, Infinity, 14.999]) await assertFails(update({ price }), invalid, 'price')
    await assertFails(update({ name: '' }), invalid, 'name must')
    await assertFails(update({ stock: -1 }), invalid, 'stock must')
    assert.deepEqual(await findLamp(), lamp)
  })
})

describe('DeleteProduct', () => {
  test('removes the product and confirms it in the message', async () => {
    assert.deepEqual(await remove({}), { message: `product ${lamp.id} deleted` })
    assert.equal(await findLamp(), undefined)
    await assertFails(remove({}), notFound)
  })

  test('fails with ABORTED if another version is stored, and keeps the product', async () => {
    await assertFails(remove({ version: 2 }), stale)
    assert.deepEqual(await findLamp(), lamp)
    await remove({ version: 1 })
    assert.equal(await findLamp(), undefined)
  })

  test('fails with INVALID_ARGUMENT for an id or version out of range', async () => {
    for (const id of [0, ...negativeNumbers]) await assertFails(remove({ id }), invalid, 'id must')
    for (const version of negativeNumbers) await assertFails(remove({ version }), invalid, 'version must')
  })
})

describe('BatchGetProducts', () => {
  test('returns the products in id order without duplicates, and omits unknown ids', async () => {
    const other = await store.products.add(creationOf())
    const { products } = await rpc.batchGetProducts({
      ids: [other.id, unknownId, lamp.id, other.id],
      readMask: undefined,
    })
    assert.deepEqual(
      products.map(({ id }) => id),
      [lamp.id, other.id],
    )
    assert.deepEqual(products[0], lampMessage())
    assert.deepEqual(await rpc.batchGetProducts({ ids: [unknownId], readMask: undefined }), { products: [] })
  })

  test('names as many of 1000 bad ids as fit into the metadata, and the number of the others', async () => {
    const error: ServiceError = await rpc
      .batchGetProducts({ ids: Array(1_000).fill(0), readMask: undefined })
      .then(
        () => assert.fail('the call succeeded'),
        (reason) => reason,
      )
    const encoded = error.metadata.get('grpc-status-details-bin')[0] ?? assert.fail('no details')
    const { details } = Status.decode(Buffer.from(encoded))
    const [info, , badRequest] = details.map(({ value }) => value)
    assert.ok(info && badRequest)
    const { fieldViolations } = BadRequest.decode(badRequest)
    assert.equal(fieldViolations[9]?.field, 'ids[9]')
    assert.deepEqual(ErrorInfo.decode(info).metadata, {
      omitted_errors: String(1_000 - fieldViolations.length),
    })
  })

  test('accepts 1000 ids, and fails with INVALID_ARGUMENT for no id or more than 1000', async () => {
    const ids = Array.from({ length: 1_001 }, (_, index) => lamp.id + index)
    const { products } = await rpc.batchGetProducts({ ids: ids.slice(0, 1_000), readMask: undefined })
    assert.deepEqual(products, [lampMessage()])
    for (const refused of [[], ids])
      await assertFails(rpc.batchGetProducts({ ids: refused, readMask: undefined }), invalid, 'ids must')
  })

  test('fails with INVALID_ARGUMENT for ids out of range, and names the index of each', async () => {
    for (const id of [0, ...negativeNumbers])
      await assertFails(
        rpc.batchGetProducts({ ids: [id, lamp.id, id], readMask: undefined }),
        invalid,
        'ids/0 must',
        'ids/2 must',
      )
  })
})

describe('the read mask of BatchGetProducts', () => {
  const batch = async (readMask: string[]) =>
    (await rpc.batchGetProducts({ ids: [lamp.id], readMask })).products

  const unset = { ...emptyProduct, createdAt: '', updatedAt: '', version: 0, currency: '' }

  test('selects the fields to return, and the id is always among them', async () => {
    const { id, name, price } = lampMessage()
    assert.deepEqual(await batch(['name', 'price', 'name']), [{ ...unset, id, name, price }])
    assert.deepEqual(await batch(['id']), [{ ...unset, id }])
  })

  test('selects each field of a product by its name in the contract', async () => {
    const groupId = 'lamps'
    await store.database.updateTable('products').set({ group_id: groupId }).execute()
    const full = lampMessage({ groupId })
    for (const [field, value] of Object.entries(full)) {
      const path = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      assert.deepEqual(await batch([path]), [{ ...unset, id: lamp.id, [field]: value }])
    }
  })

  test('selects all fields if it is empty or contains *', async () => {
    for (const mask of [[], ['*'], ['name', '*']]) assert.deepEqual(await batch(mask), [lampMessage()])
  })

  test('fails with INVALID_ARGUMENT for an unknown or nested path, and names it and the fields', async () => {
    for (const path of ['colour', 'product.name', 'createdAt', '', '__proto__', 'constructor', '**']) {
      const known = 'the fields are id, name, description, price, stock, category, created_at, updated_at,'
      for (const mask of [[path], ['name', path], ['*', path]])
        await assertFails(batch(mask), invalid, `read_mask must not contain "${path}"`, known)
    }
    await assertFails(batch(['x'.repeat(50_000)]), invalid, `"${'x'.repeat(100)}"`)
  })
})

const identity = (bytes: Buffer) => bytes

test('an unknown RPC fails with UNIMPLEMENTED', async () => {
  for (const path of ['/product.ProductService/RenameProduct', '/product.OtherService/GetProduct']) {
    const call = new Promise((_, reject) => {
      client.makeUnaryRequest(path, identity, identity, Buffer.alloc(0), reject)
    })
    await assert.rejects(call, { code: status.UNIMPLEMENTED })
  }
})
