import { reference } from '@shop/platform/http/openapi.ts'
import { Type } from 'typebox'
import { ProductJson, productExample } from './product-json.ts'

export const Product = reference(ProductJson, 'The product')

export const ProductList = Type.Object(
  {
    products: Type.Array(Product),
    count: Type.Integer({ description: 'Number of products on this page' }),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'null on the last page; other pages may have fewer products than their `limit`',
    }),
  },
  {
    title: 'ProductList',
    description: 'A page of products',
    examples: [{ products: [productExample], count: 1, next_cursor: null }],
  },
)
