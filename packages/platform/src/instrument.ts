import { codeOf } from '@shop/kernel/errors.ts'
import { decorate } from './decorate.ts'
import type { Metrics } from './metrics.ts'

type UseCases = Readonly<Record<string, (input: never) => Promise<unknown>>>

/** The same use cases, each measured under its own name with the outcome of every call. Inputs are not recorded. */
export const instrument = <Catalogue extends UseCases>(
  useCases: Catalogue,
  { useCaseDuration }: Pick<Metrics, 'useCaseDuration'>,
): Catalogue =>
  decorate(useCases, async (name, call) => {
    const stop = useCaseDuration.startTimer({ use_case: name })
    try {
      const result = await call()
      stop({ outcome: 'ok' })
      return result
    } catch (error) {
      stop({ outcome: codeOf(error) })
      throw error
    }
  })
