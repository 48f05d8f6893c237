import { type Logger, withoutRedaction } from '@shop/platform/logging/logger.ts'
import type { BasketEvent } from '../domain/basket-events.ts'

/** Returns an event subscriber that logs each event, without the user. */
export const basketEventLog = (logger: Logger): ((event: BasketEvent) => void) => {
  const events = withoutRedaction(logger)
  return ({ type: event, basketId: basket_id, lines }) =>
    events.info({ event, basket_id, lines }, 'basket expired')
}
