import type { CreateProductRequest, Product as ProductMessage } from '@shop/contracts/product/product.ts'
import { centsFromDecimal, decimalFromCents } from '@shop/kernel/money.ts'
import type { Product, ProductFields } from '../../domain/product.ts'

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
  }) satisfies Record<keyof Product, unknown>

export const messageFields = (message: CreateProductRequest): ProductFields => ({
  name: message.name,
  description: message.description,
  price: centsFromDecimal(message.price, '/price'),
  stock: message.stock,
  category: message.category,
})
