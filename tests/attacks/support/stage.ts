import { type Innocent, openInnocent } from './innocent.ts'
import type { Shop } from './shop.ts'

/** What an attack needs: the shop, and the innocent client beside. */
export type Stage<Place extends Shop = Shop> = Readonly<{ shop: Place; innocent: Innocent }>

export const openStage = async <Place extends Shop>(
  start: () => Promise<Place>,
): Promise<Stage<Place> & AsyncDisposable> => {
  await using stack = new AsyncDisposableStack()
  const shop = stack.use(await start())
  const innocent = stack.use(await openInnocent(shop))
  const opened = stack.move()
  return { shop, innocent, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
