import { type Idempotency, requireSameRequest } from '@shop/kernel/idempotency.ts'
import type { Basket } from './basket.ts'

/** What a basket remembers of a write: its key, the fingerprint of its request, and its time in base 36. */
type Entry = string

type Keyed = Pick<Idempotency, 'key' | 'fingerprint'>

/** The length of a key, and of a fingerprint. */
const hashLength = 16
const form = /^[\w-]{32}[\da-z]{1,10}$/
const maxEntries = 16
const memoryMs = 3_600_000

const isForgotten = (entry: Entry, now: Date): boolean =>
  Number.parseInt(entry.slice(2 * hashLength), 36) <= now.getTime() - memoryMs

/**
 * Whether the basket remembers the write. Throws `idempotency_key_reused` if it remembers a different request with the same key.
 * Ignores entries that are damaged, or of a form that only a later version of the service knows.
 */
export const hasWritten = ({ recent = [] }: Basket, write: Idempotency, now: Date): boolean => {
  const entry = recent.findLast((known) => known.startsWith(write.key) && form.test(known))
  if (entry === undefined || isForgotten(entry, now)) return false
  requireSameRequest(write, entry.slice(hashLength, 2 * hashLength))
  return true
}

/** Returns the basket with the write as the newest of those that it remembers: the last 16 of the past hour. */
export const rememberingWrite = (basket: Basket, { key, fingerprint }: Keyed, now: Date): Basket => {
  const { recent = [] } = basket
  const begin = recent.findIndex((entry) => !isForgotten(entry, now))
  const remembered = begin < 0 ? [] : recent.slice(Math.max(begin, recent.length - maxEntries + 1))
  return { ...basket, recent: [...remembered, `${key}${fingerprint}${now.getTime().toString(36)}`] }
}
