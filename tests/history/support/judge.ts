import { assertLinearizable } from '@shop/testing/history/assert-linearizable.ts'
import { linearizable } from '@shop/testing/history/linearizable.ts'
import { basketModel } from '../model/basket-model.ts'
import { inputText, outputText } from '../model/basket-texts.ts'
import type { BasketOperation, Recorder } from './clients.ts'
import type { Counts } from './counts.ts'
import type { Shop } from './shop.ts'

const maxSteps = 2_000_000

/** Whether the operation may have taken effect, or its answer waited for the replicas: reads and refusals do not. */
const isConfirmed = ({ input, output }: BasketOperation): boolean =>
  output === undefined || (input.kind !== 'get' && output.status < 300)

type Judge = (recorder: Pick<Recorder, 'userId' | 'operations'>, hadFailover: boolean) => void

/**
 * Returns a function that checks a history, and throws if it is impossible. What reads and refusals saw is not confirmed, so a failover
 * may lose it (docs/durability.md): if a history with a failover is impossible, it must be possible without them.
 */
export const createJudge = ({ products }: Pick<Shop, 'products'>, counts: Counts): Judge => {
  const model = basketModel(new Map(products.map(({ id, stock }) => [id, stock])))
  const check = (history: readonly BasketOperation[]) => {
    const { outcome, steps } = linearizable(model, history, { maxSteps })
    counts.add('steps of the checker', steps)
    return outcome
  }

  return ({ userId, operations }, hadFailover) => {
    counts.add('histories')
    let history: readonly BasketOperation[] = operations
    let outcome = check(history)
    if (hadFailover && outcome === 'impossible') {
      history = operations.filter(isConfirmed)
      outcome = check(history)
      if (outcome === 'linearizable') counts.add('histories in which a read saw what a failover lost')
    }
    if (outcome === 'undecided') counts.add('histories that are undecided')
    if (outcome === 'impossible')
      assertLinearizable(model, history, { name: userId, maxSteps, inputText, outputText })
  }
}
