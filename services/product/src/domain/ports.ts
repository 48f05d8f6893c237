import type { PublishedProductEvent } from './product-events.ts'
import type { ProductReader } from './product-reader.ts'
import type { ProductRepository } from './product-repository.ts'
import type { ProductStatisticsReader } from './product-statistics.ts'

/** All that the service needs of the world. Commands write through `products`, queries read through the others. */
export type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  statistics: ProductStatisticsReader
  /** What has happened to products, once it has. */
  events: Readonly<{ subscribe: (reader: (event: PublishedProductEvent) => void) => void }>
}>
