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
  /** Pieces. */
  stock: number
  category: string
}>

export type Product = ProductFields &
  Readonly<{
    id: number
    /** Counts the writes; the first is 1. */
    version: number
    createdAt: Date
    updatedAt: Date
  }>

/** The longest texts, in characters, and the largest number that the store gives or takes. */
export const limits = { name: 200, description: 5_000, category: 100, integer: 2_147_483_647 } as const

/** With this many pieces, or fewer, a product is low in stock. */
export const lowStockThreshold = 10

/** What is wrong with a text, if anything. */
const textRule = (text: string, longest: number): string | undefined => {
  if (!isStorable(text)) return 'must not contain NUL characters or lone surrogates'
  return characterCount(text) > longest ? `must have at most ${longest} characters` : undefined
}

/** What is wrong with the value of a field, if anything. */
const rules: {
  readonly [Field in keyof ProductFields]: (value: ProductFields[Field]) => string | undefined
} = {
  name: (name) => (name === '' ? 'must not be empty' : textRule(name, limits.name)),
  description: (description) => textRule(description, limits.description),
  category: (category) => textRule(category, limits.category),
  price: (price) => (price < 0n || price > maxCents ? amountRule : undefined),
  stock: (stock) => wholeNumberRule(stock, [0, limits.integer]),
}

export const fieldNames = Object.keys(rules) as readonly (keyof ProductFields)[]

const violationOf = <Field extends keyof ProductFields>(
  field: Field,
  value: ProductFields[Field],
): Violation[] => {
  const message = rules[field](value)
  return message === undefined ? [] : [{ path: `/${field}`, message }]
}

const valid = <Fields extends ProductFields>(fields: Fields): Fields => {
  const trimmed = { ...fields, name: fields.name.trim() }
  const violations = fieldNames.flatMap((field) => violationOf(field, trimmed[field]))
  if (violations.length > 0) throw invalid(...violations)
  return trimmed
}

/** A product to be: its fields, and what happens when it is stored. */
export type Creation = Readonly<{ fields: ProductFields; events: readonly ProductEvent[] }>

/** The next state of a product, or that there is none any more, and what happens by that. */
export type Revision = Readonly<{ product: Product; events: readonly ProductEvent[] }>
export type Removal = Readonly<{ product: undefined; events: readonly ProductEvent[] }>

/** The name is trimmed. Throws `invalid` with every rule that is broken. */
export const newProduct = (fields: ProductFields): Creation => ({
  fields: valid(fields),
  events: [{ type: 'product_created' }],
})

const isLow = ({ stock }: Product): boolean => stock <= lowStockThreshold

/** The product with some fields changed. Throws like `newProduct`. */
export const reviseProduct = (before: Product, changes: Partial<ProductFields>): Revision => {
  const product = valid({ ...before, ...changes })
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

/** Throws `invalid` for a text that no product can have as its category. */
export const parseCategory = (category: string): string => {
  const violations = violationOf('category', category)
  if (violations.length > 0) throw invalid(...violations)
  return category
}

/** What a write can expect of a product. */
export type ProductState = Pick<Product, 'version'>

/** The product when there is one, and it is as expected. Throws `not_found` or `stale`. */
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
