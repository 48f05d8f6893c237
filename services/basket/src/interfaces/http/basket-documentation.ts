import { AppError, invalid } from '@shop/kernel/errors.ts'
import { keyReused } from '@shop/kernel/idempotency.ts'
import { guardedBy } from '@shop/platform/http/openapi/access.ts'
import type { Documentation } from '@shop/platform/http/openapi.ts'
import { policyOf } from '../../application/policy.ts'
import { limits } from '../../domain/basket.ts'
import {
  basketFull,
  basketNotFound,
  insufficientStock,
  lineFull,
  lineNotFound,
  linesRefused,
  productNotFound,
  staleBasket,
  tooManyNewBaskets,
} from '../../domain/errors.ts'
import { UserId } from './basket-json.ts'
import type { schemas } from './basket-schemas.ts'

const invalidUser = {
  path: '/user_id',
  message: `must be ${Reflect.get(UserId, 'description')}`,
}
const invalidUserInPath = (rest = '') => ({
  error: invalid(invalidUser),
  instance: `/baskets/user%20123${rest}`,
})
const invalidProductInPath = {
  error: invalid({ path: '/product_id', message: 'must be a whole number' }),
  instance: '/baskets/user123/items/first',
}
const tooFew = invalid({ path: '/quantity', message: 'must be at least 1' })
const tooMany = invalid({ path: '/quantity', message: `must be at most ${limits.quantity}` })
const [noBasket, noLine, stale] = [basketNotFound(), lineNotFound(1), staleBasket(4)]
const reused = keyReused()
const noProduct = productNotFound(1)
/** The refusal of the first of several items. */
const ofFirst = (error: AppError) => linesRefused([{ index: 0, error }])
const catalogDown = new AppError('unavailable', 'the product service is unavailable')

const policy = policyOf({ guests: true })

/** Who may call an operation is what the rule of its use case says. */
const calls = (useCase: keyof typeof policy) => guardedBy(policy[useCase], { userId: 'user123' })

/**
 * In the order in which the page lists them: each operation works as offered after those before it. A test compares
 * each problem with what the service answers.
 */
const operations = {
  createBasket: {
    guard: calls('createBasket'),
    description:
      '201 with `Location` if the basket is new, 200 if it was there. `If-None-Match: *` creates it only if there is none. With `{ "guest": true }` it is always new, whatever the `Idempotency-Key`, and the service chooses its `user_id`. A `user_id` that begins with `guest:` must be one that the service chose before.',
    problems: [invalid(invalidUser), noBasket, stale, reused, tooManyNewBaskets(2)],
  },
  addItem: {
    guard: calls('addItem'),
    description:
      'Name, price and category of the line come from the product service. The resulting quantity must be in stock. With `items`, adds several products by one write, or none of them: if any is refused, the problem is that of the first one, and its `errors` have the `path`, `code` and details of each.',
    problems: [
      tooFew,
      noProduct,
      insufficientStock(1, 3, 5),
      lineFull(limits.quantity, limits.quantity + 1),
      stale,
      reused,
      tooManyNewBaskets(2),
      catalogDown,
    ],
  },
  getBasket: {
    guard: calls('getBasket'),
    description:
      'The `ETag` identifies the state that was read. Send it in `If-Match` to change only that state.',
    problems: [invalidUserInPath(), noBasket],
  },
  setQuantities: {
    guard: calls('setQuantities'),
    description:
      'Changes all items by one write, or none of them. A product that is not in the basket is added, unless its quantity is 0. Name, price and category of the other lines are read again from the product service, and their quantities must be in stock. If any item is refused, the problem is that of the first one, and its `errors` have the `path`, `code` and details of each.',
    problems: [
      invalid({ path: '/items/0/quantity', message: `must be at most ${limits.quantity}` }),
      ofFirst(noProduct),
      ofFirst(insufficientStock(1, 3, 5)),
      ofFirst(basketFull(limits.lines)),
      stale,
      reused,
      tooManyNewBaskets(2),
      catalogDown,
    ],
  },
  setQuantity: {
    guard: calls('setQuantity'),
    description:
      'Name, price and category of the line are read again from the product service. The quantity must be in stock.',
    problems: [tooMany, noLine, noProduct, insufficientStock(1, 3, 5), stale, reused, catalogDown],
  },
  removeItem: {
    guard: calls('removeItem'),
    description: 'Needs no product service.',
    problems: [invalidProductInPath, noLine, stale, reused],
  },
  clearBasket: {
    guard: calls('clearBasket'),
    description: 'Needs no product service. The basket keeps its id.',
    problems: [invalidUserInPath('/items'), noBasket, stale, reused],
  },
  deleteBasket: {
    guard: calls('deleteBasket'),
    description: 'Needs no product service.',
    problems: [invalidUserInPath(), noBasket, stale],
  },
} satisfies Record<keyof typeof schemas, unknown>

export const documentation: Documentation = {
  title: 'Basket service',
  relatedTitle: 'Product service',
  description: `The baskets of the shop, one for each user or guest.

- **Errors** are problem details (RFC 9457); programs go by \`code\`. A method that a path does not have is answered with 405 and \`Allow\`.
- **Credentials** are a bearer token or an API key, if the service asks for them. The subject of a token is the \`user_id\` of its basket; a basket of another user is a 403, whether it exists or not. The basket of a guest, whose id begins with \`guest:\`, needs no credentials: whoever knows the id may use it.
- **Concurrent changes** all take effect. A basket has an \`ETag\`; a write with it in \`If-Match\` is refused with 412 if the basket was changed first.
- **Retries**: a write with an \`Idempotency-Key\` takes effect once. The same request with the same key gets the status of the first, the basket as it is now, and \`Idempotent-Replayed: true\`; it is judged neither by \`If-Match\` nor by the stock. A different request with the key is a 422. A basket remembers the keys of its last 16 such writes for an hour, until it is deleted or expires. Refusals are not remembered.
- **Name, price and category** of an item come from the product service, whenever the item changes.
- **Guests**: \`POST /baskets\` with \`{ "guest": true }\` creates a basket whose \`user_id\` is \`guest:\` and 22 random characters. The id is the guest's secret: whoever knows it may use the basket. An id that begins with \`guest:\` but that the service did not choose, or that has expired, is a 404 on every path. Problems show \`***\` instead of it.
- **Expiry**: a basket is removed some time after its last write, that of a guest within an hour while it is empty; \`expires_at\` says when.`,
  tags: [{ name: 'baskets', description: "A user's basket and its items" }],
  operations,
  healthExample: {
    service: 'basket-service',
    status: 'healthy',
    timestamp: '2026-11-22T09:58:00.123Z',
    version: '1.0.0',
    checks: {
      redis: { status: 'up', latency_ms: 0.2 },
      'redis-writes': { status: 'up', latency_ms: 0.1 },
      'redis-eviction': { status: 'up', latency_ms: 0.1 },
      'product-service': { status: 'up', latency_ms: 0.9 },
    },
  },
}
