import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Basket } from '../domain/basket.ts'

/**
 * The format of a basket in every store. New members must be optional: the records of an earlier version stay
 * in the store until they expire, by default after a day.
 */
const BasketRecord = Type.Object({
  id: Type.String(),
  userId: Type.String(),
  lines: Type.Array(
    Type.Object({
      productId: Type.Integer(),
      name: Type.String(),
      /** In cents. A string, because JSON cannot represent a bigint. */
      price: Type.String({ pattern: '^\\d{1,12}$' }),
      category: Type.String(),
      quantity: Type.Integer(),
    }),
  ),
  version: Type.Integer(),
  createdAt: Type.Integer(),
  updatedAt: Type.Integer(),
  expiresAt: Type.Integer(),
  /** The writes with an idempotency key: the entries of `keyed-writes.ts`. */
  keyedWrites: Type.Optional(Type.String()),
})

const validator = Compile(BasketRecord)

export const encodeBasket = (basket: Basket): string => {
  const record: Static<typeof BasketRecord> = {
    ...basket,
    lines: basket.lines.map((line) => ({ ...line, price: String(line.price) })),
    createdAt: basket.createdAt.getTime(),
    updatedAt: basket.updatedAt.getTime(),
    expiresAt: basket.expiresAt.getTime(),
  }
  return JSON.stringify(record)
}

/**
 * Throws a plain `Error`, which is reported as `internal`, if the record is damaged: a damaged record must not
 * be mistaken for a missing basket. The error contains nothing of the record.
 */
export const decodeBasket = (json: string): Basket => {
  const record: unknown = parse(json)
  if (!validator.Check(record))
    throw new Error('a stored basket cannot be read: members are missing or invalid')
  return {
    ...record,
    lines: record.lines.map((line) => ({ ...line, price: BigInt(line.price) })),
    createdAt: new Date(record.createdAt),
    updatedAt: new Date(record.updatedAt),
    expiresAt: new Date(record.expiresAt),
  }
}

/** Decodes the records and skips damaged ones, so that these do not block statistics or expiry. */
export const readableBaskets = (records: readonly string[]): Basket[] =>
  records.flatMap((record) => {
    try {
      return [decodeBasket(record)]
    } catch {
      return []
    }
  })

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    throw new Error('a stored basket cannot be read: it is not JSON')
  }
}
