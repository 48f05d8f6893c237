import { AppError } from '@shop/kernel/errors.ts'
import type { Logger } from '../../logging/logger.ts'
import type { KeySource } from './key-source.ts'
import type { Keys } from './keys.ts'
import { createKnownKeys, type KnownKeys } from './known-keys.ts'
import { createReload } from './reload.ts'

/** The pauses between attempts to load the keys: while none is known, after a failed attempt, and otherwise. */
const pausesMs = { unknown: 500, failing: 30_000, normal: 600_000, file: 1_000 } as const

/** Tokens with unknown keys reload the keys at most this often, because everybody can send them. */
const unknownKeyPauseMs = 30_000

const notKnown = new AppError('unavailable', 'tokens cannot be checked now, try again later', {
  retryAfterSeconds: 1,
})

type KeySetOptions = Readonly<{
  source: KeySource
  logger: Logger
  monotonic: () => number
  onChange: () => void
  onReload?: ((outcome: 'ok' | 'failed') => void) | undefined
}>

const pauseAfter = (known: KnownKeys, { isFile }: KeySource): number => {
  if (isFile) return pausesMs.file
  if (known.current() === undefined) return pausesMs.unknown
  return known.isFailing() ? pausesMs.failing : pausesMs.normal
}

/** Creates the keys of an issuer, and begins to load them. */
export const createKeySet = (options: KeySetOptions) => {
  const { source, monotonic } = options
  const known = createKnownKeys(options)
  const reload = createReload({ ...options, known })
  let unknownKeyAt = Number.NEGATIVE_INFINITY

  const nextInMs = (): number => reload.attemptedAt() + pauseAfter(known, source) - monotonic()
  const reloadIfDue = async (): Promise<void> => {
    if (reload.isRunning() || nextInMs() <= 0) await reload.run()
  }
  void reload.run()
  return {
    problem: known.problem,
    validForMs: known.validForMs,
    isFailing: known.isFailing,
    /** The time until the keys should be loaded again. */
    nextInMs,
    reloadIfDue,
    /** Returns the keys. While none is known, waits for at most one attempt to load them, and throws `unavailable`. */
    current: async (): Promise<Keys> => {
      if (known.current() === undefined) await reloadIfDue()
      const keys = known.current()
      if (keys === undefined) throw notKnown
      return keys
    },
    /** Reloads the keys because a token names one that is not among them. */
    reloadForUnknownKey: async (): Promise<void> => {
      if (!reload.isRunning()) {
        if (monotonic() - unknownKeyAt < unknownKeyPauseMs) return
        unknownKeyAt = monotonic()
      }
      await reload.run()
    },
  }
}

export type KeySet = ReturnType<typeof createKeySet>
