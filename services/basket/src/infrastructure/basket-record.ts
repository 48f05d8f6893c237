import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Basket } from '../domain/basket.ts'

/** A basket as every store keeps it. Members may be added, and old ones must stay readable: stored baskets live a day. */
const Record = Type.Object({
  id: Type.String(),
  userId: Type.String(),
  lines: Type.Array(
    Type.Object({
      productId: Type.Integer(),
      name: Type.String(),
      /** Cents, as a text: JSON numbers are fractions. */
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

/** Throws a plain error, which names no content, for a text that is no basket: that is a fault, never "no basket". */
export const decodeBasket = (text: string): Basket => {
  const record: unknown = parse(text)
  if (!validator.Check(record)) throw new Error('a stored basket cannot be read: it is not a basket')
  return {
    ...record,
    lines: record.lines.map((line) => ({ ...line, price: BigInt(line.price) })),
    createdAt: new Date(record.createdAt),
    updatedAt: new Date(record.updatedAt),
    expiresAt: new Date(record.expiresAt),
  }
}

/** Those of the texts that are baskets: for figures and events, which a damaged one must not stop. */
export const readableBaskets = (texts: readonly string[]): Basket[] =>
  texts.flatMap((text) => {
    try {
      return [decodeBasket(text)]
    } catch {
      return []
    }
  })

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('a stored basket cannot be read: it is not JSON')
  }
}
