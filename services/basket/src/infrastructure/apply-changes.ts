import type { Outcome } from '@shop/platform/limits/batches/batches.ts'
import type { Basket } from '../domain/basket.ts'

/** Returns the changed basket, its argument for no change, or undefined to remove it. Must be pure; may throw. */
export type Change = (basket: Basket | undefined) => Basket | undefined

/**
 * Applies the changes one after the other. `next` makes the next version of a changed basket. A change that throws changes
 * nothing. Returns the last basket, which is the argument if nothing has changed, and the outcome of each change.
 */
export const applyChanges = (
  stored: Basket | undefined,
  changes: readonly Change[],
  next: (changed: Basket) => Basket,
): Readonly<{ basket: Basket | undefined; outcomes: readonly Outcome<Basket | undefined>[] }> => {
  let basket = stored
  const outcomes = changes.map((change): Outcome<Basket | undefined> => {
    try {
      const changed = change(basket)
      if (changed !== basket) basket = changed && next(changed)
      return { value: basket }
    } catch (error) {
      return { error }
    }
  })
  return { basket, outcomes }
}
