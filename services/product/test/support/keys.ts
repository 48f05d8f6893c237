import type { Principal } from '@shop/kernel/principal.ts'
import { unrestricted } from '@shop/kernel/principal.ts'

/** A caller whose write has this key. `replays` says how often the write was that of an earlier one. */
export const callerWith = (
  key: string,
  { fingerprint = 'request', principal = unrestricted }: { fingerprint?: string; principal?: Principal } = {},
) => {
  const caller = {
    replays: 0,
    principal,
    idempotency: {
      key,
      fingerprint,
      markReplayed: () => {
        caller.replays += 1
      },
    },
  }
  return caller
}
