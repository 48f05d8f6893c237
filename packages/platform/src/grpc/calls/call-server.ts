import type { Http2Session } from 'node:http2'
import type { Identify } from '../../auth/identity.ts'
import type { Limits } from '../../limits/limits.ts'
import type { RequestKind, RequestRates } from '../../limits/rates/request-rates.ts'
import type { FailureLog } from '../../logging/failure-log.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import type { OpenCalls } from './open-calls.ts'
import type { Peer } from './peers.ts'
import type { RecordCall } from './record-calls.ts'

/** A method that the server knows. */
export type Method = Readonly<{
  /** Whether it ignores credentials. */
  isOpen: boolean
  /** Whether its use cases say who may call it. Other methods are for callers with credentials. */
  hasRules: boolean
  /** The limit that its calls use; undefined for none. */
  kind: RequestKind | undefined
  /** The service and the method, with a slash. */
  name: string
  service: string
  isHealthCheck: boolean
  hasRequestStream: boolean
  record: RecordCall
}>

export type CallTimes = Readonly<{
  /** How long a request may take to arrive; in a stream of requests, each of them. As for bodies over HTTP. */
  requestMs: number
  /** How long a client may take to receive a message, and the status. */
  responseMs: number
  /** How long a stream may stay open after its status or its reset has been sent. */
  lingerMs: number
  /** How often overdue calls are looked for. */
  checkMs: number
}>

export const defaultTimes: CallTimes = {
  requestMs: 15_000,
  responseMs: 30_000,
  lingerMs: 1_000,
  checkMs: 1_000,
}

/** What the calls of a server have in common. */
export type CallServer = Readonly<{
  limits: Limits
  open: OpenCalls
  times: CallTimes
  failures: FailureLog
  metrics: Pick<Metrics, 'responsesCut'>
  /** Without it, all callers may do everything. */
  identify: Identify | undefined
  /** Without it, no caller is limited. */
  rates: RequestRates | undefined
  peerOf: (address: string | undefined, session: Http2Session | undefined) => Peer
}>
