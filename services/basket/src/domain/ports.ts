import type { Clock } from '@shop/kernel/clock.ts'
import type { BasketEvent } from './basket-events.ts'
import type { BasketExpiry } from './basket-expiry.ts'
import type { BasketRepository } from './basket-repository.ts'
import type { BasketStatisticsReader } from './basket-statistics.ts'
import type { ProductCatalog } from './product-catalog.ts'

/** All that the service needs of the world. */
export type Ports = Readonly<{
  baskets: BasketRepository
  catalog: ProductCatalog
  statistics: BasketStatisticsReader
  /** Missing where the store removes expired baskets by itself. */
  expiry?: BasketExpiry
  events: Readonly<{
    publish: (events: readonly BasketEvent[]) => void
    subscribe: (reader: (event: BasketEvent) => void) => void
  }>
  clock: Clock
  /** Makes an id that no basket has had. */
  newId: () => string
}>
