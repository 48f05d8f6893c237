import { reference, withDefault } from '@shop/platform/http/openapi.ts'
import { problems } from '@shop/platform/http/problem.ts'
import { exactQuery } from '@shop/platform/http/query/exact-query.ts'
import { Type } from 'typebox'
import { limits } from '../../domain/product.ts'
import { pageLimits } from '../page-limits.ts'
import { sortWords } from '../sort-words.ts'
import {
  ProductBody,
  ProductId,
  ProductJson,
  ProductPatch,
  productExample,
  ReplacementBody,
} from './product-json.ts'

const tags = ['products']
const Product = reference(ProductJson, 'The product')
const ProductParams = Type.Object({ id: ProductId })

const Paging = {
  limit: withDefault(
    Type.Integer({ minimum: 1, maximum: pageLimits.page, description: 'The most products on the page' }),
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
      maxLength: limits.groupId,
      description: 'Only products of exactly this group; empty: those without a group',
    }),
  ),
}

const ProductList = Type.Object(
  {
    products: Type.Array(Product),
    count: Type.Integer({ description: 'Number of products on this page' }),
    next_cursor: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'null on the last page',
    }),
  },
  {
    title: 'ProductList',
    description: 'A page of products',
    examples: [{ products: [productExample], count: 1, next_cursor: null }],
  },
)

const readProblems = problems(400, 503)
const writeProblems = problems(400, 404, 409, 412, 413, 415, 503)

/** The schemas of each operation, for validation, serialization and documentation. */
export const schemas = {
  listProducts: {
    operationId: 'listProducts',
    summary: 'List products, page by page',
    description:
      'Follow `next_cursor` to read all products. A cursor belongs to its `sort`; with another one it is refused.',
    tags,
    querystring: exactQuery({ ...Paging, sort: Sort, ...Filters }),
    response: { 200: ProductList, ...readProblems },
  },
  createProduct: {
    operationId: 'createProduct',
    summary: 'Create a product',
    description: 'The response has the path of the new product in `Location`, and its `ETag`.',
    tags,
    body: ProductBody,
    response: { 201: Product, ...problems(400, 413, 415, 503) },
  },
  topProducts: {
    operationId: 'topProducts',
    summary: 'The most expensive products, most expensive first',
    description: 'At most 100, without further pages.',
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
    description: 'Follow `next_cursor` to read them all.',
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
      'An unknown category has no products, and is not an error. Follow `next_cursor` to read them all.',
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
    description:
      'The `ETag` identifies the state that was read. Send it in `If-Match` to change only that state.',
    tags,
    params: ProductParams,
    response: { 200: Product, 304: Type.Null({ description: 'Unchanged' }), ...problems(400, 404, 503) },
  },
  replaceProduct: {
    operationId: 'replaceProduct',
    summary: 'Replace every field of a product; 412 when If-Match does not match its ETag',
    description: 'Fields that are left out get their default, except `group_id`, which is kept.',
    tags,
    params: ProductParams,
    body: ReplacementBody,
    response: { 200: Product, ...writeProblems },
  },
  patchProduct: {
    operationId: 'patchProduct',
    summary: 'Change some fields of a product (JSON Merge Patch); 412 when If-Match does not match its ETag',
    description: 'Fields that are left out keep their value; `null` resets an optional field to its default.',
    tags,
    consumes: ['application/merge-patch+json', 'application/json'],
    params: ProductParams,
    body: ProductPatch,
    response: { 200: Product, ...writeProblems },
  },
  deleteProduct: {
    operationId: 'deleteProduct',
    summary: 'Delete a product; 412 when If-Match does not match its ETag',
    description: 'Baskets that contain the product keep their line.',
    tags,
    params: ProductParams,
    response: { 204: Type.Null({ description: 'Deleted' }), ...writeProblems },
  },
}
