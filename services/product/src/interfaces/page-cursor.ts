import { createHash } from 'node:crypto'
import { invalid } from '@shop/kernel/errors.ts'
import { isStorable } from '@shop/kernel/text.ts'
import { limits } from '../domain/product.ts'
import type { Position, ProductListing } from '../domain/product-reader.ts'

/** What a cursor is bound to: it goes on with the list that it came from, and with no other. */
export type Listing = Pick<ProductListing, 'sort' | 'category' | 'maxStock'>

const checksum = (listing: Listing, position: string): string =>
  createHash('sha256')
    .update(JSON.stringify([listing.sort, listing.category ?? null, listing.maxStock ?? null, position]))
    .digest('base64url')
    .slice(0, 12)

/** The place as an opaque text for the client. */
export const encodeCursor = (listing: Listing, { key, id }: Position): string => {
  const text = key instanceof Date ? key.toISOString() : String(key)
  const position = Buffer.from(JSON.stringify([text, id])).toString('base64url')
  return `${position}.${checksum(listing, position)}`
}

const wholeNumber = (text: string, max: number): number | undefined =>
  /^\d{1,12}$/.test(text) && Number(text) <= max ? Number(text) : undefined

/** Within years that every store can hold: a `Date` goes further than PostgreSQL, in both directions. */
const timeOf = (text: string): Date | undefined => {
  const time = new Date(text)
  return time.getTime() >= 0 && time.getTime() < Date.UTC(10_000, 0) ? time : undefined
}

/** The key in its own type. The checksum is no secret, so a made-up cursor must do no harm either. */
const keyOf = (sort: Listing['sort'], text: string): Position['key'] | undefined => {
  if (sort.endsWith('name')) return isStorable(text) && text.length <= 2 * limits.name ? text : undefined
  if (sort.endsWith('created_at')) return timeOf(text)
  if (sort.endsWith('price')) return /^\d{1,12}$/.test(text) ? BigInt(text) : undefined
  return wholeNumber(text, limits.integer)
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
  const key = text === undefined ? undefined : keyOf(listing.sort, text)
  if (key === undefined || id === undefined)
    throw invalid({ path, message: 'must be the cursor of the page before, of the same list' })
  return { key, id }
}
