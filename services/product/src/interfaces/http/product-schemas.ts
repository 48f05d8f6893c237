import { reference } from '@shop/platform/http/openapi.ts'
import { problems } from '@shop/platform/http/problem.ts'
import { Type } from 'typebox'
import { limits } from '../../domain/product.ts'
import { pageLimits } from '../page-limits.ts'
import { sortWords } from '../sort-words.ts'
import { ProductBody, ProductId, ProductJson, ProductPatch } from './product-json.ts'

const tags = ['products']
const Product = reference(ProductJson, 'The product')
const ProductParams = Type.Object({ id: ProductId })

const Paging = {
  limit: Type.Integer({ minimum: 1, maximum: pageLimits.page, default: pageLimits.defaultPage }),
  cursor: Type.Optional(Type.String({ maxLength: 2_048, description: '`next_cursor` of the previous page' })),
}

const Sort = Type.Enum(sortWords, {
  default: 'id',
  description: 'A leading minus sorts in descending order; ties are sorted by id',
})

const ProductList = Type.Object(
  {
    products: Type.Array(Product),
    count: Type.Integer({ description: 'Number of products on this page' }),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'null on the last page',
    }),
  },
  { description: 'A page of products' },
)

const readProblems = problems(400, 503)
const writeProblems = problems(400, 404, 409, 412, 413, 415, 503)

/** The schemas of each operation, for validation, serialization and documentation. */
export const schemas = {
  listProducts: {
    operationId: 'listProducts',
    summary: 'List products, page by page',
    tags,
    querystring: Type.Object({ ...Paging, sort: Sort }),
    response: { 200: ProductList, ...readProblems },
  },
  createProduct: {
    operationId: 'createProduct',
    summary: 'Create a product',
    tags,
    body: ProductBody,
    response: { 201: Product, ...problems(400, 413, 415, 503) },
  },
  topProducts: {
    operationId: 'topProducts',
    summary: 'The most expensive products, most expensive first',
    tags,
    params: Type.Object({ n: Type.Integer({ minimum: 1, maximum: pageLimits.top }) }),
    response: { 200: ProductList, ...readProblems },
  },
  lowStockProducts: {
    operationId: 'lowStockProducts',
    summary: 'Products with at most n pieces, lowest stock first',
    tags,
    params: Type.Object({ n: Type.Integer({ minimum: 0, maximum: limits.integer }) }),
    querystring: Type.Object(Paging),
    response: { 200: ProductList, ...readProblems },
  },
  productsByCategory: {
    operationId: 'productsByCategory',
    summary: 'Products of one category (exact match)',
    description:
      'Clients and proxies resolve the categories `.` and `..` as relative paths, and an empty one names no resource. ' +
      '`GET /products?category=…` reaches every category.',
    tags,
    params: Type.Object({ category: Type.String({ minLength: 1, maxLength: limits.category }) }),
    querystring: Type.Object(Paging),
    response: { 200: ProductList, ...readProblems },
  },
  getProduct: {
    operationId: 'getProduct',
    summary: 'Get a product; 304 when If-None-Match matches its ETag',
    tags,
    params: ProductParams,
    response: { 200: Product, 304: Type.Null({ description: 'Unchanged' }), ...problems(400, 404, 503) },
  },
  replaceProduct: {
    operationId: 'replaceProduct',
    summary: 'Replace every field of a product; 412 when If-Match does not match its ETag',
    tags,
    params: ProductParams,
    body: ProductBody,
    response: { 200: Product, ...writeProblems },
  },
  patchProduct: {
    operationId: 'patchProduct',
    summary: 'Change some fields of a product (JSON Merge Patch); 412 when If-Match does not match its ETag',
    tags,
    consumes: ['application/merge-patch+json', 'application/json'],
    params: ProductParams,
    body: ProductPatch,
    response: { 200: Product, ...writeProblems },
  },
  deleteProduct: {
    operationId: 'deleteProduct',
    summary: 'Delete a product; 412 when If-Match does not match its ETag',
    tags,
    params: ProductParams,
    response: { 204: Type.Null({ description: 'Deleted' }), ...writeProblems },
  },
}
