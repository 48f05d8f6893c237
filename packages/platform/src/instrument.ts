import { codeOf } from '@shop/kernel/errors.ts'
import { decorate } from './decorate.ts'
import type { Metrics } from './metrics.ts'
import { inSpan } from './tracing.ts'

type UseCases = Readonly<Record<string, (input: never) => Promise<unknown>>>

/** The same use cases, each traced and measured under its own name with the outcome of every call. Inputs are not recorded. */
export const instrument = <Catalogue extends UseCases>(
  useCases: Catalogue,
  { useCaseDuration }: Pick<Metrics, 'useCaseDuration'>,
): Catalogue =>
  decorate(useCases, (name, call) =>
    inSpan(name, async () => {
      const started = performance.now()
      const stop = (outcome: string) =>
        useCaseDuration.observe({ use_case: name, outcome }, (performance.now() - started) / 1_000)
      try {
        const result = await call()
        stop('ok')
        return result
      } catch (error) {
        stop(codeOf(error))
        throw error
      }
    }),
  )
