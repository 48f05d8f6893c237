import { expectedFailure } from '../../failure.ts'
import type { Logger } from '../../logging/logger.ts'
import type { KeySource } from './key-source.ts'
import type { Keys } from './keys.ts'

/** How long keys are used after they were last loaded. Those of a file have no age: it is there, or broken by its owner. */
const maxAgeMs = 24 * 3_600_000

const loadedMessage = 'keys of the token issuer loaded'
const failedMessage = 'the keys of the token issuer cannot be loaded'
const expiredMessage = 'the keys of the token issuer are too old to be used'

type KnownKeysOptions = Readonly<{
  source: KeySource
  logger: Logger
  monotonic: () => number
  /** Called when keys that were known are no longer used, or others with them. */
  onChange: () => void
}>

/** The keys that were loaded last, for as long as they may be used, and whether the last attempt to load them failed. */
export const createKnownKeys = ({ source, logger, monotonic, onChange }: KnownKeysOptions) => {
  let keys: Keys | undefined
  let expiresAt = Number.POSITIVE_INFINITY
  let isFailing = false
  const fields = { source: source.name }

  const current = (): Keys | undefined => {
    if (keys !== undefined && monotonic() >= expiresAt) {
      keys = undefined
      onChange()
      logger.error(fields, expiredMessage)
    }
    return keys
  }
  return {
    current,
    validForMs: () => expiresAt - monotonic(),
    isFailing: () => isFailing,
    noteLoaded: (loaded: Keys): void => {
      if (!source.isFile) expiresAt = monotonic() + maxAgeMs
      const [previous, wasFailing] = [keys, isFailing]
      keys = loaded
      isFailing = false
      if (previous !== undefined && previous !== loaded) onChange()
      if (previous !== loaded || wasFailing) logger.info({ ...fields, keys: loaded.count }, loadedMessage)
    },
    /** Logged once, until the keys are loaded again. */
    noteFailure: (error: unknown): void => {
      if (!isFailing) logger.warn({ ...fields, ...expectedFailure(error) }, failedMessage)
      isFailing = true
    },
    /** Why tokens cannot be checked, or may soon not be. It is public: it names no host. */
    problem: (): string | undefined => {
      if (current() === undefined) return 'no key of the token issuer is known'
      return isFailing ? 'the keys of the token issuer cannot be reloaded' : undefined
    },
  }
}

export type KnownKeys = ReturnType<typeof createKnownKeys>
