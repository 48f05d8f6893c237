import { type ListProductsResponse, Product as ProductMessage } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { countThatFits, maxResponseBytes } from '@shop/platform/grpc/message-size.ts'
import { type ProductPage, positionOf } from '../../domain/product-reader.ts'
import { encodeCursor, type Listing } from '../page-cursor.ts'
import { productMessage } from './product-message.ts'

/** Converts a page. It ends early, with a token for the rest, if the response would be too large for clients. */
export const pageMessage = (listing: Listing, { products, next }: ProductPage): ListProductsResponse => {
  const messages = products.map(productMessage)
  const count = countThatFits(ProductMessage, messages)
  const last = products[count - 1]
  const end = count === messages.length || last === undefined ? next : positionOf(last, listing.sort)
  return {
    products: messages.slice(0, count),
    nextPageToken: end === undefined ? '' : encodeCursor(listing, end),
  }
}

/** Returns messages that only make sense as a whole. Throws `payload_too_large` if they are too many for a response. */
export const wholeResponse = (messages: ProductMessage[]): ProductMessage[] => {
  const count = countThatFits(ProductMessage, messages)
  if (count < messages.length)
    throw new AppError(
      'payload_too_large',
      `a response has at most ${maxResponseBytes / 1024 / 1024} MiB, which is exceeded by these ${messages.length} products; request fewer ids or fields at a time`,
    )
  return messages
}
