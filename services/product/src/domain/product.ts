import { invalid, type Violation, wholeNumberRule } from '@shop/kernel/errors.ts'
import { amountRule, type Cents, maxCents } from '@shop/kernel/money.ts'
import { characters, isStorable } from '@shop/kernel/text.ts'
import { staleVersion } from './errors.ts'

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
  return characters(text) > longest ? `must have at most ${longest} characters` : undefined
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

/** The fields of a product to be, its name trimmed. Throws `invalid` with every rule that is broken. */
export const newProduct = (fields: ProductFields): ProductFields => valid(fields)

/** The product with some fields changed. Throws like `newProduct`. */
export const reviseProduct = (product: Product, changes: Partial<ProductFields>): Product =>
  valid({ ...product, ...changes })

/** Throws `invalid` for a text that no product can have as its category. */
export const validCategory = (category: string): string => {
  const violations = violationOf('category', category)
  if (violations.length > 0) throw invalid(...violations)
  return category
}

/** Decides on the stored product whether a write may go on; throws `stale_version` when it may not. */
export type Precondition = (stored: Product) => void

/** The write goes on only while the stored version is the one that the caller has seen. */
export const expectVersion =
  (version: number): Precondition =>
  (stored) => {
    if (stored.version !== version) throw staleVersion(stored.version, version)
  }
