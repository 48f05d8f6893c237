import type { Cost } from '@shop/kernel/cost.ts'
import { single } from '@shop/kernel/cost.ts'
import type { Step } from '../../pipeline.ts'

/**
 * Takes what an input costs beyond the point that every request has already cost its caller. Throws if a use case has no cost.
 * `costs` has them by the names of the use cases (see `Costs`).
 */
export const limited =
  (costs: Readonly<Record<string, Cost<never>>>): Step =>
  (use, name) => {
    const costOf = costs[name]
    if (costOf === undefined) throw new Error(`the use case ${name} has no cost`)
    if (costOf === single) return use
    return (input, context) => {
      // `Costs` has checked that the cost takes the input of this use case.
      const more = costOf(input as never) - 1
      if (more <= 0 || context.allowance === undefined) return use(input, context)
      const refusal = context.allowance.take(more)
      if (refusal === undefined) return use(input, context)
      if (!(refusal instanceof Promise)) return Promise.reject(refusal)
      return refusal.then((refused) => {
        if (refused !== undefined) throw refused
        return use(input, context)
      })
    }
  }
