/** What can happen to a product. An event tells the names of the fields that changed, and never what they say. */
export type ProductEvent =
  | Readonly<{ type: 'product_created' }>
  | Readonly<{ type: 'product_updated'; changed: readonly string[] }>
  | Readonly<{ type: 'low_stock'; stock: number; threshold: number }>
  | Readonly<{ type: 'product_deleted' }>

/** An event once it has happened: to which product, and to which version of it that led. */
export type PublishedProductEvent = ProductEvent & Readonly<{ productId: number; version: number }>
