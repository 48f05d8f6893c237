import { createHash } from 'node:crypto'
import { invalid } from '@shop/kernel/errors.ts'
import { isStorable } from '@shop/kernel/text.ts'
import { limits, type Product } from '../domain/product.ts'
import type { Position, ProductListing, SortKey } from '../domain/product-reader.ts'
import { sortWord } from './sort-words.ts'

/** The list to which a cursor is bound. Other lists reject the cursor. */
export type Listing = Pick<ProductListing, 'sort' | 'category' | 'groupId' | 'maxStock'>

/** A list without a filter by group has no such element, so cursors of earlier versions stay valid. */
const checksum = ({ sort, category, groupId, maxStock }: Listing, position: string): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        sortWord(sort),
        category ?? null,
        maxStock ?? null,
        position,
        ...(groupId === undefined ? [] : [groupId]),
      ]),
    )
    .digest('base64url')
    .slice(0, 12)

const wholeNumber = (text: string, max: number): number | undefined =>
  /^\d{1,12}$/.test(text) && Number(text) <= max ? Number(text) : undefined

/** Accepts the years 1970 to 9999, which include every real creation time. */
const parseTime = (text: string): Date | undefined => {
  const time = new Date(text)
  return time.getTime() >= 0 && time.getTime() < Date.UTC(10_000, 0) ? time : undefined
}

const integers = { encode: String, decode: (text: string) => wholeNumber(text, limits.integer) }

type KeyCodecs = {
  readonly [Key in SortKey]: Readonly<{
    encode: (key: Product[Key]) => string
    /** Rejects invalid keys: the checksum is not secret, so a forged cursor must be harmless. */
    decode: (text: string) => Product[Key] | undefined
  }>
}

/** Converts sort keys to the strings in a cursor, and back. */
const keyCodecs: KeyCodecs = {
  id: integers,
  price: { encode: String, decode: (text) => (/^\d{1,12}$/.test(text) ? BigInt(text) : undefined) },
  stock: integers,
  name: {
    encode: (name) => name,
    decode: (text) => (isStorable(text) && text.length <= 2 * limits.name ? text : undefined),
  },
  createdAt: { encode: (time) => time.toISOString(), decode: parseTime },
}

/** Encodes a position as an opaque string for the client. */
export const encodeCursor = (listing: Listing, { key, id }: Position): string => {
  // A position belongs to one listing, so its key has the type of that listing's sort key.
  const encode = keyCodecs[listing.sort.by].encode as (value: Position['key']) => string
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

/**
 * Decodes a cursor. Throws `invalid` if it was altered or issued for another list; `path` names the field in
 * the error. A forged cursor with a correct checksum is accepted, because it is harmless.
 */
export const decodeCursor = (listing: Listing, cursor: string, path: string): Position => {
  const [position = ''] = cursor.split('.', 1)
  const [text, id] = (cursor === `${position}.${checksum(listing, position)}` && parse(position)) || []
  const key = text === undefined ? undefined : keyCodecs[listing.sort.by].decode(text)
  if (key === undefined || id === undefined)
    throw invalid({ path, message: 'must be the cursor that the previous page of the same list returned' })
  return { key, id }
}
