import type {
  CreateProductRequest,
  Product as ProductMessage,
  UpdateProductRequest,
} from '@shop/contracts/product/product.ts'
import { centsFromDecimal, decimalFromCents } from '@shop/kernel/money.ts'
import type { Product, ProductFields } from '../../domain/product.ts'
import type { ProductSummary } from '../../domain/product-reader.ts'

export const productMessage = (product: Product): ProductMessage =>
  ({
    id: product.id,
    name: product.name,
    description: product.description,
    price: decimalFromCents(product.price),
    stock: product.stock,
    category: product.category,
    createdAt: product.createdAt.toISOString(),
    updatedAt: product.updatedAt.toISOString(),
    version: product.version,
    groupId: product.groupId ?? '',
  }) satisfies Record<keyof Product, unknown>

export const summaryMessage = (summary: ProductSummary): ProductMessage =>
  productMessage({ ...summary, description: '' })

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
