import { createHash } from 'node:crypto'
import { invalid } from '@shop/kernel/errors.ts'
import { isStorable } from '@shop/kernel/text.ts'
import { limits, type Product } from '../domain/product.ts'
import type { Position, ProductListing, SortKey } from '../domain/product-reader.ts'
import { sortWord } from './sort-words.ts'

/** What a cursor is bound to: it goes on with the list that it came from, and with no other. */
export type Listing = Pick<ProductListing, 'sort' | 'category' | 'maxStock'>

const checksum = (listing: Listing, position: string): string =>
  createHash('sha256')
    .update(
      JSON.stringify([sortWord(listing.sort), listing.category ?? null, listing.maxStock ?? null, position]),
    )
    .digest('base64url')
    .slice(0, 12)

const wholeNumber = (text: string, max: number): number | undefined =>
  /^\d{1,12}$/.test(text) && Number(text) <= max ? Number(text) : undefined

/** Within years that every store can hold: a `Date` goes further than PostgreSQL, in both directions. */
const timeOf = (text: string): Date | undefined => {
  const time = new Date(text)
  return time.getTime() >= 0 && time.getTime() < Date.UTC(10_000, 0) ? time : undefined
}

const integers = { encode: String, decode: (text: string) => wholeNumber(text, limits.integer) }

type KeyTexts = {
  readonly [Key in SortKey]: Readonly<{
    encode: (key: Product[Key]) => string
    /** The checksum is no secret, so a made-up cursor must do no harm either. */
    decode: (text: string) => Product[Key] | undefined
  }>
}

/** Each key as the text that is in a cursor. */
const keyTexts: KeyTexts = {
  id: integers,
  price: { encode: String, decode: (text) => (/^\d{1,12}$/.test(text) ? BigInt(text) : undefined) },
  stock: integers,
  name: {
    encode: (name) => name,
    decode: (text) => (isStorable(text) && text.length <= 2 * limits.name ? text : undefined),
  },
  createdAt: { encode: (time) => time.toISOString(), decode: timeOf },
}

/** The place as an opaque text for the client. */
export const encodeCursor = (listing: Listing, { key, id }: Position): string => {
  // A position is of the list that it came from, so its key is of the type that the list is sorted by.
  const encode = keyTexts[listing.sort.by].encode as (value: Position['key']) => string
  const position = Buffer.from(JSON.stringify([encode(key), id])).toString('base64url')
  return `${position}.${checksum(listing, position)}`
}

const parse = (position: string): [text: string, id: number] | undefined => {
  try {
    const [text, id] = JSON.parse(Buffer.from(position, 'base64url').toString())
    return typeof text === 'string' &&
      typeof id === 'number' &&
      wholeNumber(String(id), limits.integer) !== undefined
      ? [text, id]
      : undefined
  } catch {
    return undefined
  }
}

/** Throws `invalid`, about the field at `path`, for a cursor that was changed, made up, or made for another list. */
export const decodeCursor = (listing: Listing, cursor: string, path: string): Position => {
  const [position = ''] = cursor.split('.', 1)
  const [text, id] = (cursor === `${position}.${checksum(listing, position)}` && parse(position)) || []
  const key = text === undefined ? undefined : keyTexts[listing.sort.by].decode(text)
  if (key === undefined || id === undefined)
    throw invalid({ path, message: 'must be the cursor that the previous page of the same list returned' })
  return { key, id }
}
