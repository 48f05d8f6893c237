import { codeOf } from '@shop/kernel/errors.ts'
import { decorate } from '../pipeline.ts'
import { inSpan } from '../tracing/api.ts'
import type { Metrics } from './metrics.ts'

type AsyncFunctions = Parameters<typeof decorate>[0]

/** Settles like the call; records its outcome (ok, or the code of the error) and how long it took. */
const measure = async <Result>(
  call: () => Promise<Result>,
  record: (outcome: string, seconds: number) => void,
): Promise<Result> => {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1_000
  try {
    const result = await call()
    record('ok', seconds())
    return result
  } catch (error) {
    record(codeOf(error), seconds())
    throw error
  }
}

/** The same use cases, each traced and measured under its own name with the outcome of every call. Inputs are not recorded. */
export const instrument = <Catalogue extends AsyncFunctions>(
  useCases: Catalogue,
  { useCaseDuration }: Pick<Metrics, 'useCaseDuration'>,
): Catalogue =>
  decorate(useCases, (use_case, call) =>
    inSpan(use_case, () =>
      measure(call, (outcome, seconds) => useCaseDuration.observe({ use_case, outcome }, seconds)),
    ),
  )

/** The same operations of a store, each measured under its own name. */
export const instrumentStore = <Operations extends AsyncFunctions>(
  db_system_name: string,
  operations: Operations,
  { dbOperationDuration }: Pick<Metrics, 'dbOperationDuration'>,
): Operations =>
  decorate(operations, (db_operation_name, call) =>
    measure(call, (outcome, seconds) =>
      dbOperationDuration.observe({ db_system_name, db_operation_name, outcome }, seconds),
    ),
  )
