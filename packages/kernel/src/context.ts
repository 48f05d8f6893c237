import type { AppError } from './errors.ts'
import type { Idempotency } from './idempotency.ts'
import type { Principal } from './principal.ts'

/** What the caller may use of its rate limit, in points. */
export type Allowance = Readonly<{
  /** Takes more points than the one that each request costs. Returns the error for the caller if it has not that many. */
  take: (points: number) => AppError | undefined | Promise<AppError | undefined>
}>

/** What every use case receives besides its input, whether the request came over HTTP or gRPC. */
export type Context = Readonly<{
  requestId: string
  principal: Principal
  /** Whose share of the limits the request uses. Undefined if nobody has it, such as for jobs and trusted proxies. */
  client?: string | undefined
  /** Undefined if the caller is not limited. */
  allowance?: Allowance | undefined
  /** Undefined if the caller sent no idempotency key, or the request is safe to repeat without one. */
  idempotency?: Idempotency | undefined
  /**
   * Aborts when the caller no longer waits. Reads may then stop early. It is made when it is read: a copy made by `{ ...context }`
   * has none.
   */
  signal?: AbortSignal | undefined
}>

/** The context of work that the service starts itself, such as a job. Its `name` serves as the request id. */
export const systemContext = (name: string): Context => ({ requestId: name, principal: { kind: 'system' } })
