import { type EventHub, eventHub } from '@shop/platform/event-hub.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { PublishedProductEvent } from '../domain/product-events.ts'

/** Where the repository tells what has happened to products. A reader that fails is logged. */
export const productEventHub = (logger: Logger): EventHub<PublishedProductEvent> =>
  eventHub((error) => logger.error({ err: error }, 'event subscriber failed'))
