import type { Clock } from '@shop/kernel/clock.ts'
import type { BasketEvent } from './basket-events.ts'
import type { BasketExpiry } from './basket-expiry.ts'
import type { BasketRepository } from './basket-repository.ts'
import type { BasketStatisticsReader } from './basket-statistics.ts'
import type { ProductCatalog } from './product-catalog.ts'

/** The interfaces through which the domain reaches stores, other services and the clock. */
export type Ports = Readonly<{
  baskets: BasketRepository
  catalog: ProductCatalog
  statistics: BasketStatisticsReader
  /** Missing if the store removes expired baskets by itself. */
  expiry?: BasketExpiry
  events: Readonly<{
    publish: (events: readonly BasketEvent[]) => void
    subscribe: (subscriber: (event: BasketEvent) => void) => void
  }>
  clock: Clock
  /** Creates an id that no basket has ever had. */
  newId: () => string
  /** Creates 128 random bits that nobody can predict, as 22 characters of base64url. */
  newSecret: () => string
}>
