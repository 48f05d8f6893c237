import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { type Basket, withMore } from '../../src/domain/basket.ts'
import type { CatalogProduct } from '../../src/domain/product-catalog.ts'
import { type LineQuantity, withMoreOfEach, withQuantities } from '../../src/domain/several-lines.ts'
import { aBasket, aProduct } from '../support/baskets.ts'

const productsOf = (...products: readonly CatalogProduct[]) =>
  new Map(products.map((product) => [product.id, product]))

const known = productsOf(...[1, 2, 3, 4].map((id) => aProduct({ id, stock: 10 })))

const quantitiesOf = (quantities: Readonly<Record<number, number>>): LineQuantity[] =>
  Object.entries(quantities).map(([productId, quantity]) => ({ productId: Number(productId), quantity }))

const linesOf = ({ lines }: Basket) => lines.map(({ productId, quantity }) => [productId, quantity])

/** A basket with one piece of each of these products. */
const basketWith = (...ids: readonly number[]): Basket =>
  ids.reduce((basket, id) => withMore(basket, aProduct({ id }), 1), aBasket())

const filled = (lines: number): Basket =>
  basketWith(...Array.from({ length: lines }, (_, index) => 1_000 + index))

const refusalOf = (change: () => unknown): AppError => {
  try {
    change()
  } catch (error) {
    assert.ok(error instanceof AppError)
    return error
  }
  throw new Error('nothing was refused')
}

describe('withMoreOfEach', () => {
  test('adds to lines in their positions, and appends the others in their order', () => {
    const changed = withMoreOfEach(
      basketWith(4, 2),
      [
        { productId: 3, quantity: 5 },
        { productId: 2, quantity: 1 },
        { productId: 1, quantity: 1 },
      ],
      known,
    )
    assert.deepEqual(linesOf(changed), [
      [4, 1],
      [2, 2],
      [3, 5],
      [1, 1],
    ])
  })

  test('throws the error of the first refused line, with the refusals of all', () => {
    const products = productsOf(
      aProduct({ id: 1 }),
      aProduct({ id: 2, stock: 3 }),
      aProduct({ id: 4, stock: 5_000 }),
    )
    const error = refusalOf(() =>
      withMoreOfEach(basketWith(2), quantitiesOf({ 1: 1, 2: 3, 3: 1, 4: 1_000 }), products),
    )
    const first = {
      message: 'only 3 of product 2 are in stock',
      code: 'insufficient_stock',
      available: 3,
      requested: 4,
    }
    assert.deepEqual([error.kind, error.code], ['conflict', 'insufficient_stock'])
    assert.equal(
      error.message,
      'items/1: only 3 of product 2 are in stock; items/2: product 3 not found; items/3: a basket can hold at most 999 of one product',
    )
    assert.deepEqual(error.details, {
      available: 3,
      requested: 4,
      errors: [
        { path: '/items/1', ...first },
        { path: '/items/2', message: 'product 3 not found', code: 'product_not_found' },
        {
          path: '/items/3',
          message: 'a basket can hold at most 999 of one product',
          code: 'basket_full',
          requested: 1_000,
        },
      ],
    })
  })

  test('has the kind of the first refusal, not of the gravest', () => {
    const { kind, code } = refusalOf(() => withMoreOfEach(aBasket(), quantitiesOf({ 1: 11, 9: 1 }), known))
    assert.deepEqual([kind, code], ['conflict', 'insufficient_stock'])
    const other = refusalOf(() => withMoreOfEach(aBasket(), quantitiesOf({ 2: 1, 3: 11 }), productsOf()))
    assert.deepEqual([other.kind, other.code], ['not_found', 'product_not_found'])
  })

  test('refuses the lines that find the basket full, and not those that are there', () => {
    const full = withMore(filled(98), aProduct({ id: 4 }), 1)
    const { code, details } = refusalOf(() =>
      withMoreOfEach(full, quantitiesOf({ 1: 1, 2: 1, 3: 1, 4: 1 }), known),
    )
    assert.equal(code, 'basket_full')
    assert.deepEqual(
      details.errors?.map(({ path }) => path),
      ['/items/1', '/items/2'],
    )
    assert.equal(withMoreOfEach(full, quantitiesOf({ 1: 1, 4: 1 }), known).lines.length, 100)
  })

  test('lets a line that is refused take no place', () => {
    const { details } = refusalOf(() => withMoreOfEach(filled(99), quantitiesOf({ 1: 11, 2: 1 }), known))
    assert.deepEqual(
      details.errors?.map(({ path, code }) => [path, code]),
      [['/items/0', 'insufficient_stock']],
    )
  })

  test('throws on a bug without taking it for a refusal', () => {
    const products = new Map<number, CatalogProduct>()
    products.get = () => {
      throw new TypeError('a bug')
    }
    assert.throws(() => withMoreOfEach(aBasket(), quantitiesOf({ 1: 1 }), products), TypeError)
  })
})

describe('withQuantities', () => {
  test('sets lines in their positions, removes those with 0, and appends the others', () => {
    const changed = withQuantities(basketWith(4, 2, 3), quantitiesOf({ 1: 2, 2: 0, 3: 9, 4: 10 }), known)
    assert.deepEqual(linesOf(changed), [
      [4, 10],
      [3, 9],
      [1, 2],
    ])
  })

  test('ignores 0 for a product that is not in the basket, also if the catalog does not know it', () => {
    assert.deepEqual(linesOf(withQuantities(basketWith(2), quantitiesOf({ 1: 0, 99: 0 }), productsOf())), [
      [2, 1],
    ])
  })

  test('compares stock with the quantity itself, and counts positions of all items', () => {
    const { details } = refusalOf(() =>
      withQuantities(basketWith(1, 2), quantitiesOf({ 1: 0, 2: 11, 3: 10 }), known),
    )
    assert.deepEqual(details.errors, [
      {
        path: '/items/1',
        message: 'only 10 of product 2 are in stock',
        code: 'insufficient_stock',
        available: 10,
        requested: 11,
      },
    ])
  })

  test('makes room first, in whatever order the items are', () => {
    const full = withMore(filled(99), aProduct({ id: 4 }), 1)
    for (const quantities of [quantitiesOf({ 1: 1, 4: 0 }), quantitiesOf({ 4: 0, 1: 1 }).toReversed()])
      assert.deepEqual(linesOf(withQuantities(full, quantities, known)).at(-1), [1, 1])
    const { code } = refusalOf(() => withQuantities(full, quantitiesOf({ 1: 1, 2: 0 }), known))
    assert.equal(code, 'basket_full')
  })

  test('changes nothing of its arguments', () => {
    const basket = basketWith(1, 2)
    const before = structuredClone(basket)
    withQuantities(basket, quantitiesOf({ 1: 0, 2: 5, 3: 1 }), known)
    withMoreOfEach(basket, quantitiesOf({ 1: 1, 2: 5 }), known)
    assert.deepEqual(basket, before)
  })
})
