/** What can happen to a product. `changed` contains field names, never values. */
export type ProductEvent =
  | Readonly<{ type: 'product_created' }>
  | Readonly<{ type: 'product_updated'; changed: readonly string[] }>
  | Readonly<{ type: 'low_stock'; stock: number; threshold: number }>
  | Readonly<{ type: 'product_deleted' }>

/** The event of a committed write. `version` is the product's version after it; for a deletion, the last one. */
export type PublishedProductEvent = ProductEvent & Readonly<{ productId: number; version: number }>
