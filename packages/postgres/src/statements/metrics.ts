import { AppError } from '@shop/kernel/errors.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { isUnavailable } from '../errors.ts'

/** A statement that has ended, as Kysely logs it. */
export type StatementEvent = Readonly<{ query: Readonly<{ sql: string }>; queryDurationMillis: number }> &
  (Readonly<{ level: 'query' }> | Readonly<{ level: 'error'; error: unknown }>)

/** Returns the first word of the statement, in its original case. */
export const operationOf = (statement: string): string => /\w+/.exec(statement)?.[0] ?? ''

const operations = new Set(['select', 'insert', 'update', 'delete', 'begin', 'commit', 'rollback', 'set'])

/** Limits the label to a few values. */
const labelOf = (statement: string): string => {
  const operation = operationOf(statement).toLowerCase()
  return operations.has(operation) ? operation : 'other'
}

const outcomeOf = (event: StatementEvent): string => {
  if (event.level === 'query') return 'ok'
  return event.error instanceof AppError || isUnavailable(event.error) ? 'unavailable' : 'internal'
}

/** Measures each statement, from the moment it has a connection to its last row. */
export const measureStatements =
  ({ dbOperationDuration }: Pick<Metrics, 'dbOperationDuration'>) =>
  (event: StatementEvent): void =>
    dbOperationDuration.observe(
      {
        db_system_name: 'postgresql',
        db_operation_name: labelOf(event.query.sql),
        outcome: outcomeOf(event),
      },
      event.queryDurationMillis / 1_000,
    )
