import { type Logger, withoutRedaction } from '@shop/platform/logging/logger.ts'
import type { BasketEvent } from '../domain/basket-events.ts'

/** Writes each event as a line. The user is not in it. */
export const basketEventLog = (logger: Logger): ((event: BasketEvent) => void) => {
  const events = withoutRedaction(logger)
  return ({ type: event, basketId: basket_id, lines }) =>
    events.info({ event, basket_id, lines }, 'basket expired')
}
