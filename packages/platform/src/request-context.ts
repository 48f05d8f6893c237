import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'

/** What belongs to the request under way, whatever its protocol. It reaches log lines and calls to other services. */
export type RequestContext = Readonly<{
  requestId: string
  /** Aborted when the caller no longer waits for the answer. */
  signal?: AbortSignal
}>

export const requestContext = new AsyncLocalStorage<RequestContext>()

/** The header (HTTP) and metadata key (gRPC) that carries the request id. */
export const requestIdHeader = 'x-request-id'

const printable = /^[\x21-\x7e]{1,128}$/

/** The caller's request id when it is 1..128 printable characters, a new one otherwise. */
export const requestIdFrom = (given: unknown): string =>
  typeof given === 'string' && printable.test(given) ? given : randomUUID()
