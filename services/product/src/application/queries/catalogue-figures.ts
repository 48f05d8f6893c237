import type { Cents } from '@shop/kernel/money.ts'
import type { CategoryValue, ProductFigures, ProductFiguresReader } from '../../domain/product-figures.ts'

/** So many categories are named; what the others hold is summed up. */
const namedCategories = 20

export type CatalogueFigures = Pick<ProductFigures, 'products'> &
  Readonly<{ largest: readonly CategoryValue[]; others: Cents }>

/** What the catalogue holds and is worth. */
export const catalogueFigures =
  ({ figures }: Readonly<{ figures: ProductFiguresReader }>) =>
  async (): Promise<CatalogueFigures> => {
    const { products, largest, inventoryValue } = await figures.read(namedCategories)
    const others = largest.reduce((rest, { value }) => rest - value, inventoryValue)
    return { products, largest, others }
  }
