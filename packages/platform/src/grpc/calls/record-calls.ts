import { type Metadata, status } from '@grpc/grpc-js'
import { type Logger, withoutRedaction } from '../../logging/logger.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import { parseRequestId, requestIdHeader } from '../../request-context.ts'
import { trace } from '../../tracing/api.ts'
import { removedIds } from '../ids/untrusted-ids.ts'

const statusNames = Object.fromEntries(Object.entries(status).map(([name, value]) => [value, name]))

/** The id that the caller sent, if the call has another one because the caller is not trusted. */
const clientRequestId = (metadata: Metadata | undefined): string | undefined => {
  const [sent] = (metadata && removedIds(metadata))?.get(requestIdHeader) ?? []
  return typeof sent === 'string' ? parseRequestId(sent) : undefined
}

export type Recorders = Readonly<{
  logger: Logger
  metrics: Pick<Metrics, 'rpcServerDuration' | 'responsesCut'>
}>

type RecordedCall = Readonly<{
  /** The time of its start, by `performance.now()`. */
  started: number
  /** Undefined if the call ended before it was received. */
  metadata?: Metadata | undefined
}>

/** Returns a function that records one measurement and one log line for a finished call of the method. */
export const callRecorder = (
  method: string,
  { logger, metrics }: Recorders,
  level: 'info' | 'debug' = 'info',
) => {
  const callLogger = withoutRedaction(logger)
  return ({ started, metadata }: RecordedCall, code: status, cause?: string): void => {
    const seconds = (performance.now() - started) / 1000
    const name = statusNames[code] ?? 'UNKNOWN'
    trace.getActiveSpan()?.setAttribute('rpc.response.status_code', name)
    metrics.rpcServerDuration.observe({ rpc_method: method, rpc_response_status_code: name }, seconds)
    const duration_ms = Math.round(seconds * 100_000) / 100
    const client_request_id = clientRequestId(metadata)
    callLogger[level]({ rpc: method, client_request_id, status: name, duration_ms, cause }, 'call')
  }
}

export type RecordCall = ReturnType<typeof callRecorder>
