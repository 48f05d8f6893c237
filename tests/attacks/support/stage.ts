import { type Innocent, openInnocent } from './innocent.ts'
import { type Shop, startShop } from './shop.ts'

/** What an attack needs: the shop, and the innocent client beside. */
export type Stage = Readonly<{ shop: Shop; innocent: Innocent }>

export const openStage = async (): Promise<Stage & AsyncDisposable> => {
  await using stack = new AsyncDisposableStack()
  const shop = stack.use(await startShop())
  const innocent = stack.use(await openInnocent(shop))
  const opened = stack.move()
  return { shop, innocent, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
