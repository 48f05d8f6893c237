import { type Logger, withoutRedaction } from '@shop/platform/logging/logger.ts'
import type { PublishedProductEvent } from '../domain/product-events.ts'

const TEXTS = {
  product_created: 'product created',
  product_updated: 'product updated',
  product_deleted: 'product deleted',
  low_stock: 'low stock',
} as const satisfies Record<PublishedProductEvent['type'], string>

/** Writes each event as a line: which fields changed, and never what they say. */
export const productEventLog = (logger: Logger): ((event: PublishedProductEvent) => void) => {
  const events = withoutRedaction(logger)
  return ({ type, productId, ...fields }) =>
    events.info({ event: type, product_id: productId, ...fields }, TEXTS[type])
}
