import { errorTypeOf, recordErrorType, startCall } from '@shop/platform/tracing/api.ts'
import type { LogEvent } from 'kysely'
import { operationOf } from './statement-operation.ts'

/** The operation and its table: `select things`. */
const summaryOf = (statement: string): string => {
  const operation = operationOf(statement)
  const [, table] = /(?:\bfrom|\binto|^update) "(\w+)"/i.exec(statement) ?? []
  return table === undefined ? operation : `${operation} ${table}`
}

/** Gives a statement that a request waited for a span, once it is over. Its text has no values: they are parameters. */
export const traceStatement = (event: LogEvent): void => {
  const { sql } = event.query
  const summary = summaryOf(sql)
  const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': summary, 'db.query.text': sql }
  const end = Date.now()
  const span = startCall(summary, attributes, end - event.queryDurationMillis)
  if (event.level === 'error') recordErrorType(span, errorTypeOf(event.error), true)
  span?.end(end)
}
