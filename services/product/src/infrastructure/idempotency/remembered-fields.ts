import { decimalText } from '@shop/kernel/money.ts'
import type { Product, ProductFields } from '../../domain/product.ts'
import { type ProductRow, productOf } from '../reading/product-row.ts'

type RememberedFields = Pick<ProductRow, keyof ProductFields>

/**
 * Those that are stored: another release may have stored more, or fewer. A field that is newer than what is remembered
 * needs a default here.
 */
const rememberedFields = (stored: RememberedFields): RememberedFields => ({
  name: stored.name,
  description: stored.description,
  price: stored.price,
  stock: stored.stock,
  category: stored.category,
  groupId: stored.groupId,
})

/** The fields of the product as JSON. */
export const fieldsText = (fields: ProductFields): string =>
  JSON.stringify(rememberedFields({ ...fields, price: decimalText(fields.price) }))

/** The product with these fields. Throws `UnreadableRow` if one of them is missing or cannot be that of a product. */
export const productWith = (fields: string, rest: Omit<Product, keyof ProductFields>): Product =>
  productOf({ ...rememberedFields(JSON.parse(fields) as RememberedFields), ...rest })
