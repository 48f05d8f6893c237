import type { Context } from '@shop/kernel/context.ts'
import type { Idempotency } from '@shop/kernel/idempotency.ts'
import { shortHash } from '@shop/platform/idempotency/keys.ts'

/** The key of a write, by a name. Calls `markReplayed` if it is repeated. */
export const aKey = (name: string, request = 'request', markReplayed = () => {}): Idempotency => ({
  key: shortHash(name),
  fingerprint: shortHash(request),
  markReplayed,
})

/** The context of a request with a key, and how often it was marked as replayed. */
export const keyedContext = (name: string, request?: string) => {
  let replays = 0
  const context: Context = {
    requestId: name,
    principal: { kind: 'unrestricted' },
    idempotency: aKey(name, request, () => {
      replays += 1
    }),
  }
  return { context, replays: () => replays }
}
