import { type Logger, ofHarmlessFields } from '@shop/platform/logging/logger.ts'
import { fieldNames, lowStockThreshold, type Product } from '../domain/product.ts'
import type { ProductRepository } from '../domain/product-repository.ts'

const isLow = ({ stock }: Product): boolean => stock <= lowStockThreshold

const logUpdate = (logger: Logger, before: Product, after: Product): void => {
  const { id: product_id, version, stock } = after
  const changed = fieldNames.filter((field) => before[field] !== after[field])
  logger.info({ event: 'product_updated', product_id, version, changed }, 'product updated')
  if (isLow(after) && !isLow(before))
    logger.info({ event: 'low_stock', product_id, stock, threshold: lowStockThreshold }, 'low stock')
}

/** The same repository, which tells the log what becomes of products: which fields changed, and never what they say. */
export const withProductEvents = (products: ProductRepository, logger: Logger): ProductRepository => {
  const events = ofHarmlessFields(logger)
  return {
    add: async (given) => {
      const product = await products.add(given)
      events.info({ event: 'product_created', product_id: product.id }, 'product created')
      return product
    },

    update: async (id, change) => {
      const seen: { before?: Product } = {}
      const after = await products.update(id, (stored) => {
        seen.before = stored
        return change(stored)
      })
      if (seen.before !== undefined) logUpdate(events, seen.before, after)
      return after
    },

    remove: async (id, precondition) => {
      await products.remove(id, precondition)
      events.info({ event: 'product_deleted', product_id: id }, 'product deleted')
    },
  }
}
