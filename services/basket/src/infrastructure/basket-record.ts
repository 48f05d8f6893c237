import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Basket } from '../domain/basket.ts'

/**
 * The format of a basket in every store. Members may be added, but old records must stay readable: a stored
 * basket lives for a day by default.
 */
const Record = Type.Object({
  id: Type.String(),
  userId: Type.String(),
  lines: Type.Array(
    Type.Object({
      productId: Type.Integer(),
      name: Type.String(),
      /** Cents, as a string: numbers in JSON are floating-point numbers. */
      price: Type.String({ pattern: '^\\d{1,12}$' }),
      category: Type.String(),
      quantity: Type.Integer(),
    }),
  ),
  version: Type.Integer(),
  createdAt: Type.Integer(),
  updatedAt: Type.Integer(),
  expiresAt: Type.Integer(),
})

const validator = Compile(Record)

export const encodeBasket = (basket: Basket): string => {
  const record: Static<typeof Record> = {
    ...basket,
    lines: basket.lines.map((line) => ({ ...line, price: String(line.price) })),
    createdAt: basket.createdAt.getTime(),
    updatedAt: basket.updatedAt.getTime(),
    expiresAt: basket.expiresAt.getTime(),
  }
  return JSON.stringify(record)
}

/**
 * Throws a plain `Error`, whose message has none of the content, if the string is not a basket. A damaged
 * record is a fault and must not pass for a missing basket.
 */
export const decodeBasket = (json: string): Basket => {
  const record: unknown = parse(json)
  if (!validator.Check(record)) throw new Error('a stored basket cannot be read: it is not a basket')
  return {
    ...record,
    lines: record.lines.map((line) => ({ ...line, price: BigInt(line.price) })),
    createdAt: new Date(record.createdAt),
    updatedAt: new Date(record.updatedAt),
    expiresAt: new Date(record.expiresAt),
  }
}

/** Decodes records and skips damaged ones, which must not stop statistics or events. */
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
