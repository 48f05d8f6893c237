import type { FastifyReply } from 'fastify'
import { type ProductPage, positionOf } from '../../domain/product-reader.ts'
import { encodeCursor, type Listing } from '../page-cursor.ts'
import { maxJsonBytes } from '../page-limits.ts'
import { productJson } from './product-json.ts'

/** What all pages of one route have in common. */
type Style = Readonly<{ currency: string; isWhole?: boolean }>

const listJson = ({ currency }: Style, listing: Listing, { products, next }: ProductPage) => ({
  products: products.map((product) => productJson(product, currency)),
  count: products.length,
  next_cursor: next === undefined ? null : encodeCursor(listing, next),
})

/** More than the rest of a page takes, such as the cursor. */
const reservedBytes = 4_096

/** Returns the page up to the last product with which its JSON has at most `maxJsonBytes`, but with at least one product. */
const shortened = ({ currency }: Style, listing: Listing, { products, next }: ProductPage): ProductPage => {
  let bytes = reservedBytes
  let count = 0
  for (const product of products) {
    bytes += Buffer.byteLength(JSON.stringify(productJson(product, currency))) + 1
    if (bytes > maxJsonBytes && count > 0) break
    count += 1
  }
  const last = products[count - 1]
  if (count === products.length || last === undefined) return { products, ...(next && { next }) }
  return { products: products.slice(0, count), next: positionOf(last, listing.sort) }
}

/** A buffer, so that compression is shared too. */
const serialize = (reply: FastifyReply, style: Style, listing: Listing, page: ProductPage): Buffer =>
  Buffer.from(String(reply.serializeInput(listJson(style, listing, page), '200')))

/**
 * Creates a function that sends the pages of one route. Requests that shared a query have the same array of
 * products, and share the response body serialized from it. Routes do not share bodies: two routes may use
 * the same query, with different cursors. A page ends at about 1 MiB unless it is a list that only makes sense as a whole.
 */
export const createPageSender = (style: Style) => {
  const bodies = new WeakMap<ProductPage['products'], Buffer>()

  const bodyOf = (reply: FastifyReply, listing: Listing, page: ProductPage): Buffer => {
    const body = serialize(reply, style, listing, page)
    // Few pages are too large, so products are only measured one by one if this one is.
    return style.isWhole || body.length <= maxJsonBytes
      ? body
      : serialize(reply, style, listing, shortened(style, listing, page))
  }

  return (reply: FastifyReply, listing: Listing, page: ProductPage) => {
    let body = bodies.get(page.products)
    if (body === undefined) {
      body = bodyOf(reply, listing, page)
      bodies.set(page.products, body)
    }
    void reply.type('application/json; charset=utf-8')
    return body
  }
}
