import { type EventHub, eventHub } from '@shop/platform/event-hub.ts'
import { createFailureLog } from '@shop/platform/logging/failure-log.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { PublishedProductEvent } from '../domain/product-events.ts'

/** Creates the hub through which the repository publishes events. Errors of subscribers are logged. */
export const productEventHub = (logger: Logger): EventHub<PublishedProductEvent> =>
  eventHub(createFailureLog(logger, 'event subscriber failed').record)
