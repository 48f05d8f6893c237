import type { PublishedProductEvent } from './product-events.ts'
import type { ProductReader } from './product-reader.ts'
import type { ProductRepository } from './product-repository.ts'
import type { ProductStatisticsReader } from './product-statistics.ts'
import type { RememberedWrites } from './remembered-writes.ts'

/** The ports of the service. Commands write through `products`; queries use `reader` and `statistics`. */
export type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  statistics: ProductStatisticsReader
  rememberedWrites: RememberedWrites
  /** The events of committed writes. */
  events: Readonly<{ subscribe: (subscriber: (event: PublishedProductEvent) => void) => void }>
}>
