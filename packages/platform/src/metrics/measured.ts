import { codeOf } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '../decorate.ts'
import type { Step } from '../pipeline.ts'
import type { Metrics } from './metrics.ts'

/**
 * Makes the call and settles like it. Records its outcome (`ok` or the code of the error) and its duration.
 */
export const measure = async <Result>(
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

/** Measures every call of a use case under its name, with its outcome. Inputs are not recorded. */
export const measured =
  ({ useCaseDuration }: Pick<Metrics, 'useCaseDuration'>): Step =>
  (use, use_case) => {
    const record = (outcome: string, seconds: number) =>
      useCaseDuration.observe({ use_case, outcome }, seconds)
    return (input, context) => measure(() => use(input, context), record)
  }

/** Returns the same operations of a store, each measured under its own name. */
export const measureStore = <Operations extends AsyncFunctions>(
  db_system_name: string,
  operations: Operations,
  { dbOperationDuration }: Pick<Metrics, 'dbOperationDuration'>,
): Operations =>
  decorate(operations, (db_operation_name, call) =>
    measure(call, (outcome, seconds) =>
      dbOperationDuration.observe({ db_system_name, db_operation_name, outcome }, seconds),
    ),
  )
