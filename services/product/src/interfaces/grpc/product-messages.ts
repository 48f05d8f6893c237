import { type ListProductsResponse, Product as ProductMessage } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import {
  countThatFits,
  maxResponseBytes,
  repeatedField,
  reusingWriter,
} from '@shop/platform/grpc/message-size.ts'
import type { Product } from '../../domain/product.ts'
import { type ProductPage, type ProductSummary, positionOf } from '../../domain/product-reader.ts'
import { encodeCursor, type Listing } from '../page-cursor.ts'
import { productMessage } from './product-message.ts'
import { allFields, type Field } from './read-mask.ts'

/** Converts a page. It ends early, with a token for the rest, if the response would be too large for clients. */
export const pageMessage = (
  listing: Listing,
  { products, next }: ProductPage,
  currency: string,
): ListProductsResponse => {
  const messages = products.map((product) => productMessage(product, currency))
  const count = countThatFits(ProductMessage, messages)
  const last = products[count - 1]
  const end = count === messages.length || last === undefined ? next : positionOf(last, listing.sort)
  return {
    products: messages.slice(0, count),
    nextPageToken: end === undefined ? '' : encodeCursor(listing, end),
  }
}

const tooMany = (count: number): AppError =>
  new AppError(
    'payload_too_large',
    `a response has at most ${maxResponseBytes / 1024 / 1024} MiB, which is exceeded by these ${count} products; request fewer ids or fields at a time`,
  )

/** Returns messages that only make sense as a whole. Throws `payload_too_large` if they are too many for a response. */
export const wholeResponse = (messages: ProductMessage[]): ProductMessage[] => {
  if (countThatFits(ProductMessage, messages) < messages.length) throw tooMany(messages.length)
  return messages
}

type Fields = ReadonlySet<Field>
type Style = Readonly<{ currency: string; fields?: Fields }>

const encode = reusingWriter<ProductMessage>((message, writer) => ProductMessage.encode(message, writer))

const encodings = new WeakMap<ProductSummary, Readonly<{ fields: Fields; bytes: Uint8Array }>>()

/** Calls that shared a query have the same products, and share the encoding of each. */
const encodeOnce = (product: ProductSummary | Product, currency: string, fields: Fields): Uint8Array => {
  const known = encodings.get(product)
  if (known?.fields === fields) return known.bytes
  const bytes = encode(productMessage(product, currency, fields))
  encodings.set(product, { fields, bytes })
  return bytes
}

/**
 * Encodes a response of these products, which are its field 1: of GetProduct or BatchGetProducts. Throws like
 * `wholeResponse`.
 */
export const encodedResponse = (
  products: readonly (ProductSummary | Product)[],
  { currency, fields = allFields }: Style,
): Buffer => {
  const encoded = products.values().map((product) => encodeOnce(product, currency, fields))
  const response = repeatedField(1, encoded)
  if (response === undefined) throw tooMany(products.length)
  return response
}
