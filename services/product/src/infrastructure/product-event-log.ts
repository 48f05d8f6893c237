import { type Logger, withoutRedaction } from '@shop/platform/logging/logger.ts'
import type { PublishedProductEvent } from '../domain/product-events.ts'

const messages = {
  product_created: 'product created',
  product_updated: 'product updated',
  product_deleted: 'product deleted',
  low_stock: 'low stock',
} as const satisfies Record<PublishedProductEvent['type'], string>

/** Returns a subscriber that logs each event. An update names the changed fields, never their values. */
export const productEventLog = (logger: Logger): ((event: PublishedProductEvent) => void) => {
  const events = withoutRedaction(logger)
  return ({ type, productId, ...fields }) =>
    events.info({ event: type, product_id: productId, ...fields }, messages[type])
}
