import type { BasketRepository } from './basket-repository.ts'
import type { BasketStatisticsReader } from './basket-statistics.ts'
import type { ProductCatalog } from './product-catalog.ts'

/** All that the use cases need of the world. */
export type Ports = Readonly<{
  baskets: BasketRepository
  catalog: ProductCatalog
  statistics: BasketStatisticsReader
}>
