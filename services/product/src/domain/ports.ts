import type { ProductReader } from './product-reader.ts'
import type { ProductRepository } from './product-repository.ts'
import type { ProductStatisticsReader } from './product-statistics.ts'

/** All that the use cases need of the world. Commands write through `products`, queries read through the others. */
export type Ports = Readonly<{
  products: ProductRepository
  reader: ProductReader
  statistics: ProductStatisticsReader
}>
