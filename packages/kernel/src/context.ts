import type { Principal } from './principal.ts'

/** What a use case is told besides its input, whichever way it is called. */
export type Context = Readonly<{
  requestId: string
  principal: Principal
  /** By which a repetition of the request is known, when the caller has given one. */
  idempotencyKey?: string | undefined
  /** Aborted when the caller no longer waits. What only reads may stop then. */
  signal?: AbortSignal | undefined
}>

/** Of work that no caller asked for, known by a name in the place of a request id. */
export const systemContext = (name: string): Context => ({ requestId: name, principal: { kind: 'system' } })
