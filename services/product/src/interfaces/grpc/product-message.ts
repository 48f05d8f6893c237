import type {
  CreateProductRequest,
  Product as ProductMessage,
  UpdateProductRequest,
} from '@shop/contracts/product/product.ts'
import { centsFromDecimal, decimalFromCents } from '@shop/kernel/money.ts'
import type { Product, ProductFields } from '../../domain/product.ts'
import type { ProductSummary } from '../../domain/product-reader.ts'
import { allFields, type Field } from './read-mask.ts'

/** The message, by default with all fields. Those that are not selected have their defaults, which are not sent. */
export const productMessage = (
  product: ProductSummary | Product,
  currency: string,
  fields: ReadonlySet<Field> = allFields,
): ProductMessage =>
  ({
    id: product.id,
    name: fields.has('name') ? product.name : '',
    description: fields.has('description') && 'description' in product ? product.description : '',
    price: fields.has('price') ? decimalFromCents(product.price) : 0,
    stock: fields.has('stock') ? product.stock : 0,
    category: fields.has('category') ? product.category : '',
    createdAt: fields.has('createdAt') ? product.createdAt.toISOString() : '',
    updatedAt: fields.has('updatedAt') ? product.updatedAt.toISOString() : '',
    version: fields.has('version') ? product.version : 0,
    currency: fields.has('currency') ? currency : '',
    groupId: fields.has('groupId') ? (product.groupId ?? '') : '',
  }) satisfies Record<keyof Product | 'currency', unknown>

export const messageFields = (message: CreateProductRequest): ProductFields => ({
  name: message.name,
  description: message.description,
  price: centsFromDecimal(message.price, '/price'),
  stock: message.stock,
  category: message.category,
  groupId: message.groupId === '' ? null : message.groupId,
})

/** The changes of an update. An optional field that is unset keeps its value; an empty one is reset. */
export const messageChanges = (message: UpdateProductRequest): Partial<ProductFields> => {
  const { groupId, ...fields } = messageFields({ ...message, groupId: message.groupId ?? '' })
  return message.groupId === undefined ? fields : { ...fields, groupId }
}
