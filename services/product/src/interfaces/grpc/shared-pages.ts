import type { ListProductsResponse } from '@shop/contracts/product/product.ts'
import { shareEncoding } from '@shop/platform/grpc/calls/shared-encoding.ts'
import type { ProductPage } from '../../domain/product-reader.ts'

type Products = ProductPage['products']

/**
 * Returns a function that converts the pages of one RPC. Calls that shared a query have the same array of products, and
 * share the message and its encoding. RPCs do not share them: two RPCs may use the same query, with different page tokens.
 */
export const sharedPages = () => {
  const responses = new WeakMap<Products, ListProductsResponse>()
  return (products: Products, convert: () => ListProductsResponse): ListProductsResponse => {
    const known = responses.get(products)
    if (known !== undefined) return known
    const response = shareEncoding(convert())
    responses.set(products, response)
    return response
  }
}
