import { invalid, type Violation, wholeNumberRule } from '@shop/kernel/errors.ts'
import { type Expected, isExpected } from '@shop/kernel/expectation.ts'
import { amountRule, type Cents, maxCents } from '@shop/kernel/money.ts'
import { characterCount, isStorable } from '@shop/kernel/text.ts'
import { productNotFound, staleProduct } from './errors.ts'
import type { ProductEvent } from './product-events.ts'

export type ProductFields = Readonly<{
  name: string
  description: string
  price: Cents
  /** Number of pieces. */
  stock: number
  category: string
  /** Products of one group are variants of each other. null: of no group. */
  groupId: string | null
}>

export type Product = ProductFields &
  Readonly<{
    id: number
    /** 1 for a new product; incremented by every write. */
    version: number
    createdAt: Date
    updatedAt: Date
  }>

/** The maximum lengths of strings, in characters, and the largest integer that the store supports. */
export const limits = {
  name: 200,
  description: 5_000,
  category: 100,
  groupId: 64,
  integer: 2_147_483_647,
} as const

/** A product with at most this many pieces is low in stock. */
export const lowStockThreshold = 10

/** Returns the rule that the string breaks, if any. */
const textRule = (text: string, maxLength: number): string | undefined => {
  if (!isStorable(text)) return 'must not contain NUL characters or lone surrogates'
  return characterCount(text) > maxLength ? `must have at most ${maxLength} characters` : undefined
}

const groupRule = (groupId: string): string | undefined => {
  if (groupId === '') return 'must not be empty'
  return /[\p{Control}\u2028\u2029]/u.test(groupId)
    ? 'must not contain control characters'
    : textRule(groupId, limits.groupId)
}

/** For each field, a function that returns the rule that a value breaks, if any. */
const rules: {
  readonly [Field in keyof ProductFields]: (value: ProductFields[Field]) => string | undefined
} = {
  name: (name) => (name === '' ? 'must not be empty' : textRule(name, limits.name)),
  description: (description) => textRule(description, limits.description),
  category: (category) => textRule(category, limits.category),
  price: (price) => (price < 0n || price > maxCents ? amountRule : undefined),
  stock: (stock) => wholeNumberRule(stock, [0, limits.integer]),
  groupId: (groupId) => (groupId === null ? undefined : groupRule(groupId)),
}

export const fieldNames = Object.keys(rules) as readonly (keyof ProductFields)[]

/** The path of a field in an error, in snake case like the fields of both APIs. */
const pathOf = (field: keyof ProductFields): string =>
  `/${field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`

const violationOf = <Field extends keyof ProductFields>(
  field: Field,
  value: ProductFields[Field],
): Violation[] => {
  const message = rules[field](value)
  return message === undefined ? [] : [{ path: pathOf(field), message }]
}

const validate = <Fields extends ProductFields>(fields: Fields): Fields => {
  const trimmed = { ...fields, name: fields.name.trim() }
  const violations = fieldNames.flatMap((field) => violationOf(field, trimmed[field]))
  if (violations.length > 0) throw invalid(...violations)
  return trimmed
}

/** The fields of a new product, and the events of storing it. */
export type Creation = Readonly<{ fields: ProductFields; events: readonly ProductEvent[] }>

/** The next state of a product, and the events of the write. */
export type Revision = Readonly<{ product: Product; events: readonly ProductEvent[] }>
/** The events of a removal. `product` is `undefined`, because the product no longer exists. */
export type Removal = Readonly<{ product: undefined; events: readonly ProductEvent[] }>

/** Trims the name. Throws `invalid` with all broken rules. */
export const newProduct = (fields: ProductFields): Creation => ({
  fields: validate(fields),
  events: [{ type: 'product_created' }],
})

const isLow = ({ stock }: Product): boolean => stock <= lowStockThreshold

/** Returns the product with some fields changed. Throws like `newProduct`. */
export const reviseProduct = (before: Product, changes: Partial<ProductFields>): Revision => {
  const product = validate({ ...before, ...changes })
  const changed = fieldNames.filter((field) => before[field] !== product[field])
  const { stock } = product
  const becameLow = isLow(product) && !isLow(before)
  return {
    product,
    events: [
      { type: 'product_updated', changed },
      ...(becameLow ? [{ type: 'low_stock', stock, threshold: lowStockThreshold } as const] : []),
    ],
  }
}

export const removeProduct = (): Removal => ({ product: undefined, events: [{ type: 'product_deleted' }] })

/** Throws `invalid` for a string that cannot be a category. */
export const parseCategory = (category: string): string => {
  const violations = violationOf('category', category)
  if (violations.length > 0) throw invalid(...violations)
  return category
}

/** Throws `invalid` for a string that cannot be a group. */
export const parseGroupId = (groupId: string): string => {
  const violations = violationOf('groupId', groupId)
  if (violations.length > 0) throw invalid(...violations)
  return groupId
}

/** The part of a product on which a write can set a precondition. */
export type ProductState = Pick<Product, 'version'>

/** Returns the stored product. Throws `not_found` if there is none and `stale` unless it is as expected. */
export const requireExisting = (
  id: number,
  stored: Product | undefined,
  expected: Expected<ProductState>,
): Product => {
  if (stored === undefined) throw productNotFound(id)
  if (!isExpected(stored, expected, (product, { version }) => product.version === version))
    throw staleProduct(stored)
  return stored
}
