import { invalid } from '@shop/kernel/errors.ts'
import { keyReused } from '@shop/kernel/idempotency.ts'
import { guardedBy } from '@shop/platform/http/openapi/access.ts'
import type { Documentation } from '@shop/platform/http/openapi.ts'
import { policy } from '../../application/policy.ts'
import { productNotFound, productReferenced, staleProduct } from '../../domain/errors.ts'
import { pageLimits } from '../page-limits.ts'
import { deletableId, type schemas } from './product-schemas.ts'

const limitTooHigh = invalid({ path: '/limit', message: `must be at most ${pageLimits.page}` })
const priceTooLow = invalid({ path: '/price', message: 'must be at least 0' })
const invalidId = {
  error: invalid({ path: '/id', message: 'must be a whole number' }),
  instance: '/products/first',
}
const [missing, stale] = [productNotFound(1), staleProduct({ id: 1, version: 3 })]
const referenced = productReferenced(1, undefined)
const reused = keyReused()

/** Who may call an operation is what the rule of its use case says. */
const calls = (useCase: keyof typeof policy) => guardedBy(policy[useCase], undefined)

/** In the order in which the page lists them. A test compares each problem with what the service answers. */
const operations = {
  listProducts: {
    guard: calls('listProducts'),
    description:
      'Follow `next_cursor` to read all products. A cursor belongs to its `sort` and its filters; with others it is refused.',
    problems: [limitTooHigh],
  },
  topProducts: {
    guard: calls('topProducts'),
    description: 'At most 100, without further pages.',
    problems: [
      {
        error: invalid({ path: '/n', message: `must be at most ${pageLimits.top}` }),
        instance: '/products/top-500',
      },
    ],
  },
  lowStockProducts: {
    guard: calls('lowStockProducts'),
    description: 'Follow `next_cursor` to read them all.',
    problems: [limitTooHigh],
  },
  productsByCategory: {
    guard: calls('productsByCategory'),
    description:
      'An unknown category has no products, and is not an error. Follow `next_cursor` to read them all.',
    problems: [limitTooHigh],
  },
  getProduct: {
    guard: calls('getProduct'),
    description:
      'The `ETag` identifies the state that was read. Send it in `If-Match` to change only that state.',
    problems: [invalidId, missing],
  },
  createProduct: {
    guard: calls('createProduct'),
    description: 'The response has the path of the new product in `Location`, and its `ETag`.',
    problems: [priceTooLow, reused],
  },
  replaceProduct: {
    guard: calls('updateProduct'),
    description: 'Fields that are left out get their default, except `group_id`, which is kept.',
    problems: [priceTooLow, missing, referenced, stale, reused],
  },
  patchProduct: {
    guard: calls('updateProduct'),
    description: 'Fields that are left out keep their value; `null` resets an optional field to its default.',
    problems: [priceTooLow, missing, referenced, stale, reused],
  },
  deleteProduct: {
    guard: calls('deleteProduct'),
    description: 'Baskets that contain the product keep their line.',
    problems: [
      invalidId,
      productNotFound(deletableId),
      productReferenced(deletableId, undefined),
      staleProduct({ id: deletableId, version: 3 }),
      reused,
    ],
  },
} satisfies Record<keyof typeof schemas, unknown>

export const documentation: Documentation = {
  title: 'Product service',
  relatedTitle: 'Basket service',
  description: `The catalog of the shop.

- **Errors** are problem details (RFC 9457); programs go by \`code\`. A method that a path does not have is answered with 405 and \`Allow\`.
- **Credentials** are a bearer token or an API key, if the service asks for them. Everybody may read; writes need the scope \`products:write\`.
- **Lists** come page by page: follow \`next_cursor\` until it is \`null\`.
- **Concurrent changes**: a product has an \`ETag\`. A write with it in \`If-Match\` is refused with 412 if somebody else changed the product first.
- **Retries**: a write with an \`Idempotency-Key\` takes effect once. The same request with the same key within 24 hours gets the first response, and \`Idempotent-Replayed: true\`; it is not judged by \`If-Match\`. A different request with the key is a 422. Refusals are not remembered.
- **Prices** have at most two decimal places, and are never rounded.`,
  tags: [
    {
      name: 'products',
      description: 'Products: read them one by one or as lists, create, change and delete them',
    },
  ],
  operations,
  healthExample: {
    service: 'product-service',
    status: 'healthy',
    timestamp: '2026-11-22T09:58:00.123Z',
    version: '1.0.0',
    checks: {
      postgres: { status: 'up', latency_ms: 0.4 },
      'postgres-writes': { status: 'up', latency_ms: 0.1 },
    },
  },
}
