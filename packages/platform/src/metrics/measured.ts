import { codeOf } from '@shop/kernel/errors.ts'
import type { AsyncFunctions } from '../decorate.ts'
import type { Step } from '../pipeline.ts'
import type { Metrics } from './metrics.ts'

/** Receives the outcome of a call (`ok` or the code of the error) and its duration. */
type Recorder = (outcome: string, seconds: number) => void

/** Returns a function that settles like `call`, and records each call. */
export const recorded =
  <Input extends readonly unknown[], Result>(
    call: (...input: Input) => Promise<Result>,
    record: Recorder,
  ): ((...input: Input) => Promise<Result>) =>
  async (...input) => {
    const started = performance.now()
    try {
      const result = await call(...input)
      record('ok', (performance.now() - started) / 1_000)
      return result
    } catch (error) {
      record(codeOf(error), (performance.now() - started) / 1_000)
      throw error
    }
  }

/** Measures every call of a use case under its name, with its outcome. Inputs are not recorded. */
export const measured =
  ({ useCaseDuration }: Pick<Metrics, 'useCaseDuration'>): Step =>
  (use, use_case) =>
    recorded(use, (outcome, seconds) => useCaseDuration.observe({ use_case, outcome }, seconds))

/** Returns the same operations of a store, each measured under its own name. */
export const measureStore = <Operations extends AsyncFunctions>(
  db_system_name: string,
  operations: Operations,
  { dbOperationDuration }: Pick<Metrics, 'dbOperationDuration'>,
): Operations =>
  // The result has the same keys and signatures.
  Object.fromEntries(
    Object.entries(operations).map(([db_operation_name, call]) => [
      db_operation_name,
      recorded(call, (outcome, seconds) =>
        dbOperationDuration.observe({ db_system_name, db_operation_name, outcome }, seconds),
      ),
    ]),
  ) as Operations
