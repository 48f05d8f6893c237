import type { Principal } from './principal.ts'

/** What every use case receives besides its input, over every transport. */
export type Context = Readonly<{
  requestId: string
  principal: Principal
  /** Identifies repetitions of the same request, if the caller sent one. */
  idempotencyKey?: string | undefined
  /** Aborted when the caller no longer waits. Reads may stop then. */
  signal?: AbortSignal | undefined
}>

/** The context of work that no caller requested. `name` takes the place of the request id. */
export const systemContext = (name: string): Context => ({ requestId: name, principal: { kind: 'system' } })
