import type { BasketFigures, BasketFiguresReader } from '../../domain/basket-figures.ts'

/** What all baskets hold together. */
export const basketFigures =
  ({ figures }: Readonly<{ figures: BasketFiguresReader }>) =>
  (): Promise<BasketFigures> =>
    figures.read()
