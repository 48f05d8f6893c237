import { errorTypeOf, recordErrorType, startCall } from '@shop/platform/tracing/api.ts'
import { operationOf, type StatementEvent } from './metrics.ts'

/** Returns the operation and its table, such as `select things`. */
const summaryOf = (statement: string): string => {
  const operation = operationOf(statement)
  const [, table] = /(?:\bfrom|\binto|^update) "(\w+)"/i.exec(statement) ?? []
  return table === undefined ? operation : `${operation} ${table}`
}

/** Records a span for a finished statement of a traced request. The values of parameters are not recorded. */
export const traceStatement = (event: StatementEvent): void => {
  const { sql } = event.query
  const summary = summaryOf(sql)
  const attributes = { 'db.system.name': 'postgresql', 'db.query.summary': summary, 'db.query.text': sql }
  const end = Date.now()
  const span = startCall(summary, attributes, end - event.queryDurationMillis)
  if (event.level === 'error') recordErrorType(span, errorTypeOf(event.error), true)
  span?.end(end)
}
