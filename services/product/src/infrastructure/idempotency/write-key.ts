import type { Idempotency } from '@shop/kernel/idempotency.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import { shortHash } from '@shop/platform/idempotency/keys.ts'

/** What a write is remembered by. */
export type WriteKey = Readonly<{
  /** A hash of the caller and of the caller's key. */
  key: string
  /** A hash of the request. */
  fingerprint: string
}>

/** Whose keys are apart from those of others. Callers without an identity cannot be told apart. */
const scopeOf = (principal: Principal): readonly string[] => {
  if (principal.kind === 'user') return ['user', principal.subject]
  if (principal.kind === 'machine') return ['machine', principal.name]
  return []
}

export const writeKeyOf = (principal: Principal, { key, fingerprint }: Idempotency): WriteKey => ({
  key: shortHash(JSON.stringify([...scopeOf(principal), key])),
  fingerprint,
})
