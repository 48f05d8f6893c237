import { withDefault } from '@shop/platform/http/openapi.ts'
import { problems } from '@shop/platform/http/problem.ts'
import { exactQuery } from '@shop/platform/http/query/exact-query.ts'
import { Type } from 'typebox'
import { limits } from '../../domain/product.ts'
import { pageLimits, pageSize } from '../page-limits.ts'
import { sortWords } from '../sort-words.ts'
import { ProductBody, ProductId, ProductPatch, ReplacementBody } from './product-json.ts'
import { Product, ProductList } from './product-list-json.ts'

const tags = ['products']
const ProductParams = Type.Object({ id: ProductId })

/** The last of the sample products, which no other example uses. */
export const deletableId = 10
const DeletableParams = Type.Object({ id: Type.Integer({ ...ProductId, examples: [deletableId] }) })

const Paging = {
  limit: withDefault(
    Type.Integer({ ...pageSize, description: 'The most products; a page ends earlier at about 1 MiB' }),
    pageLimits.defaultPage,
  ),
  cursor: Type.Optional(Type.String({ maxLength: 2_048, description: '`next_cursor` of the previous page' })),
}

const Sort = withDefault(
  Type.Enum(sortWords, {
    description: 'A leading minus sorts in descending order; ties are sorted by id',
  }),
  'id',
)

const Filters = {
  category: Type.Optional(
    Type.String({
      maxLength: limits.category,
      description: 'Only products of exactly this category; empty: those without a category',
    }),
  ),
  group_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: limits.groupId,
      description: 'Only products of exactly this group',
    }),
  ),
}

const readProblems = problems(400, 503)
const writeProblems = problems(400, 404, 409, 412, 413, 415, 422, 503)

/** The schemas of each operation, for validation, serialization and documentation. */
export const schemas = {
  listProducts: {
    operationId: 'listProducts',
    summary: 'List products, page by page',
    tags,
    querystring: exactQuery({ ...Paging, sort: Sort, ...Filters }),
    response: { 200: ProductList, ...readProblems },
  },
  createProduct: {
    operationId: 'createProduct',
    summary: 'Create a product',
    tags,
    body: ProductBody,
    response: { 201: Product, ...problems(400, 413, 415, 422, 503) },
  },
  topProducts: {
    operationId: 'topProducts',
    summary: 'The most expensive products, most expensive first',
    tags,
    params: Type.Object({
      n: Type.Integer({
        minimum: 1,
        maximum: pageLimits.top,
        description: 'How many products',
        examples: [5],
      }),
    }),
    querystring: exactQuery({}),
    response: { 200: ProductList, ...readProblems },
  },
  lowStockProducts: {
    operationId: 'lowStockProducts',
    summary: 'Products with at most n pieces, lowest stock first',
    tags,
    params: Type.Object({
      n: Type.Integer({
        minimum: 0,
        maximum: limits.integer,
        description: 'The highest stock on the list',
        examples: [10],
      }),
    }),
    querystring: exactQuery(Paging),
    response: { 200: ProductList, ...readProblems },
  },
  productsByCategory: {
    operationId: 'productsByCategory',
    summary: 'Products of one category (exact match)',
    description:
      'Clients and proxies resolve the categories `.` and `..` as relative paths, and an empty one names no resource. ' +
      '`GET /products?category=…` reaches every category.',
    tags,
    params: Type.Object({
      category: Type.String({
        minLength: 1,
        maxLength: limits.category,
        description: 'The exact name',
        examples: ['Books'],
      }),
    }),
    querystring: exactQuery(Paging),
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
    body: ReplacementBody,
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
    params: DeletableParams,
    response: { 204: Type.Null({ description: 'Deleted' }), ...writeProblems },
  },
}
