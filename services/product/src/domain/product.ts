import { AppError, invalid, type Violation } from '@shop/kernel/errors.ts'
import { type Cents, decimalFromCents, maxCents } from '@shop/kernel/money.ts'
import { characters, isStorable } from '@shop/kernel/text.ts'

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

const textViolations = (path: string, text: string, longest: number): Violation[] => {
  if (!isStorable(text)) return [{ path, message: 'must not contain NUL characters or lone surrogates' }]
  if (characters(text) > longest) return [{ path, message: `must have at most ${longest} characters` }]
  return []
}

const violationsOf = ({ name, description, price, stock, category }: ProductFields): Violation[] => [
  ...(name === ''
    ? [{ path: '/name', message: 'must not be empty' }]
    : textViolations('/name', name, limits.name)),
  ...textViolations('/description', description, limits.description),
  ...textViolations('/category', category, limits.category),
  ...(price < 0n || price > maxCents
    ? [{ path: '/price', message: `must be from 0 to ${decimalFromCents(maxCents)}` }]
    : []),
  ...(!Number.isInteger(stock) || stock < 0 || stock > limits.integer
    ? [{ path: '/stock', message: `must be a whole number from 0 to ${limits.integer}` }]
    : []),
]

const valid = <Fields extends ProductFields>(fields: Fields): Fields => {
  const trimmed = { ...fields, name: fields.name.trim() }
  const violations = violationsOf(trimmed)
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
  const violations = textViolations('/category', category, limits.category)
  if (violations.length > 0) throw invalid(...violations)
  return category
}

/** Decides on the stored product whether a write may go on; throws `stale_version` when it may not. */
export type Precondition = (stored: Product) => void

/** The write goes on only while the stored version is the one that the caller has seen. */
export const expectVersion =
  (version: number): Precondition =>
  (stored) => {
    if (stored.version !== version)
      throw new AppError('stale_version', `version is ${stored.version} by now, not ${version}`)
  }

export const productNotFound = (id: number): AppError =>
  new AppError('not_found', `there is no product ${id}`)
