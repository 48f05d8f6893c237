import type { PublishedProductEvent } from './product-events.ts'
import type { ProductReader } from './product-reader.ts'
import type { ProductRepository } from './product-repository.ts'
import type { ProductStatisticsReader } from './product-statistics.ts'

/** The ports of the service. Commands write through `products`; queries use `reader` and `statistics`. */
export type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  statistics: ProductStatisticsReader
  /** The events of committed writes. */
  events: Readonly<{ subscribe: (subscriber: (event: PublishedProductEvent) => void) => void }>
}>
