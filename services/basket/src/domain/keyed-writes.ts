import { type Idempotency, requireSameRequest } from '@shop/kernel/idempotency.ts'
import type { Basket } from './basket.ts'

type Keyed = Pick<Idempotency, 'key' | 'fingerprint'>

/**
 * The lengths of the parts of an entry: 60 bits of the key, 48 of the fingerprint, and the second of the write in base 36. Entries
 * are short, because each write of the basket sends all of them to the store twice: they are a part of the basket as it was, and of
 * the basket as it will be.
 */
const lengths = { key: 10, fingerprint: 8, second: 7 } as const
const entryLength = lengths.key + lengths.fingerprint + lengths.second
const maxEntries = 16
const memorySeconds = 3_600

const secondOf = (time: Date): number => Math.floor(time.getTime() / 1_000)

const fingerprintOf = ({ fingerprint }: Keyed): string => fingerprint.slice(0, lengths.fingerprint)

const isForgotten = (entries: string, at: number, now: Date): boolean => {
  const second = entries.slice(at + entryLength - lengths.second, at + entryLength)
  // A second that is damaged is not a number, and is forgotten too.
  return !(Number.parseInt(second, 36) > secondOf(now) - memorySeconds)
}

/** What an entry has of the key. */
export const rememberedKey = (key: string): string => key.slice(0, lengths.key)

/** The position of the latest entry with this key; negative if there is none. */
const positionOf = (entries: string, { key }: Keyed): number => {
  const sought = rememberedKey(key)
  let at = entries.length - entryLength
  while (at >= 0 && !entries.startsWith(sought, at)) at -= entryLength
  return at
}

/**
 * Whether the basket remembers the write. Throws `idempotency_key_reused` if it remembers a different request with the same key.
 */
export const hasWritten = ({ keyedWrites = '' }: Basket, write: Idempotency, now: Date): boolean => {
  const at = positionOf(keyedWrites, write)
  if (at < 0 || isForgotten(keyedWrites, at, now)) return false
  const found = keyedWrites.slice(at + lengths.key, at + lengths.key + lengths.fingerprint)
  requireSameRequest({ ...write, fingerprint: fingerprintOf(write) }, found)
  return true
}

/** Returns the basket with the write as the newest of those that it remembers: the last 16 of the past hour. */
export const rememberingWrite = (basket: Basket, write: Keyed, now: Date): Basket => {
  const { keyedWrites = '' } = basket
  let begin = Math.max(0, keyedWrites.length - (maxEntries - 1) * entryLength)
  while (begin < keyedWrites.length && isForgotten(keyedWrites, begin, now)) begin += entryLength
  const second = secondOf(now).toString(36).padStart(lengths.second, '0')
  const entry = `${rememberedKey(write.key)}${fingerprintOf(write)}${second}`
  return { ...basket, keyedWrites: `${keyedWrites.slice(begin)}${entry}` }
}
