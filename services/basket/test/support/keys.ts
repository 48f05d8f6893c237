import type { Context } from '@shop/kernel/context.ts'
import type { Idempotency } from '@shop/kernel/idempotency.ts'

const hashed = (text: string): string => Buffer.from(text.padEnd(12, '.')).toString('base64url').slice(0, 16)

/** The key of a write, by a name of at most 12 characters. Calls `markReplayed` if it is repeated. */
export const aKey = (name: string, request = 'request', markReplayed = () => {}): Idempotency => ({
  key: hashed(name),
  fingerprint: hashed(request),
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
