import { hash, timingSafeEqual } from 'node:crypto'
import { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import { type FileContent, readFileOnce } from '../config/bounded-file.ts'
import { ConfigError } from '../config/variables.ts'
import { fileReader } from '../file-reader.ts'
import type { Dependency } from '../health/health.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'
import { keyPrefix } from './credentials.ts'
import type { Unverified } from './identity.ts'
import { type ApiKey, maxKeyFileBytes, parseKeyFile } from './key-file.ts'

const variable = 'API_KEYS_FILE'
const pollMs = 1_000

/** The prefix and 32 random bytes in base64url. */
const keyPattern = new RegExp(`^${keyPrefix}[A-Za-z0-9_-]{43}$`)

// Made once: an error of its own for each request of a flood would capture its stack.
const malformed = unauthenticated(
  `the API key must be ${keyPrefix} and 43 characters of A-Z a-z 0-9 _ -, exactly as it was issued`,
)
const unknown = unauthenticated('the API key is not known, or no longer')

const refused = (error: AppError): Unverified<() => never> => ({
  check: () => {
    throw error
  },
  wasValid: false,
})

type FindHolder = (key: string) => Principal | undefined

const startOf = (digest: Buffer): number => digest.readUIntBE(0, 6)

/**
 * Returns a function that finds the holder of a key. The start of its SHA-256 selects the one to compare with. How long that takes
 * says nothing about a key: nobody can choose a SHA-256.
 */
const holderFinder = (keys: readonly ApiKey[]): FindHolder => {
  const byStart = Map.groupBy(keys, (key) => startOf(key.hash))
  return (key) => {
    const hashed = hash('sha256', key, 'buffer')
    return byStart.get(startOf(hashed))?.find((known) => timingSafeEqual(known.hash, hashed))?.principal
  }
}

type Read = Readonly<{ keys: readonly ApiKey[] } | { problems: readonly string[] }>

const keysIn = (content: FileContent): Read => {
  if ('problem' in content) return { problems: [`${variable} ${content.problem}`] }
  const { keys, problems } = parseKeyFile(content.bytes)
  return problems.length > 0 ? { problems: problems.map((problem) => `${variable} ${problem}`) } : { keys }
}

/** A rule of the configuration: the file of API keys can be read, and breaks no rule. */
export const apiKeyProblems = (path: string): readonly string[] => {
  const read = keysIn(readFileOnce(path, maxKeyFileBytes))
  return 'problems' in read ? read.problems : []
}

const isSame = (a: FileContent, b: FileContent): boolean =>
  'bytes' in a ? 'bytes' in b && a.bytes.equals(b.bytes) : 'problem' in b && a.problem === b.problem

const outdated = new AppError(
  'unavailable',
  'the file of API keys is not valid: the keys read before are used',
)

export type ApiKeys = Readonly<{
  /** Returns the holder of the key, or a check that throws `unauthenticated` if there is none. */
  find: (key: string) => Principal | Unverified<() => never>
  jobs: readonly Job[]
  dependencies: readonly Dependency[]
}>

/**
 * Reads the file, and again with `readAgain`. A mount may replace a link instead of the file, so its content is compared. While
 * the file breaks a rule or is missing, the keys read before are used. Throws `ConfigError` if the first reading fails.
 */
const openKeyFile = (path: string, logger: Pick<Logger, 'info' | 'error'>) => {
  let content = readFileOnce(path, maxKeyFileBytes)
  let read = keysIn(content)
  if ('problems' in read) throw new ConfigError(read.problems)
  let find = holderFinder(read.keys)
  logger.info({ keys: read.keys.length }, 'API keys read')
  const reread = fileReader(path, maxKeyFileBytes)
  return {
    find: (key: string) => find(key),
    isOutdated: () => 'problems' in read,
    readAgain: async (): Promise<void> => {
      const next = await reread()
      if (isSame(content, next)) return
      content = next
      read = keysIn(next)
      if ('problems' in read) {
        logger.error({ problems: read.problems }, 'API keys not read: those read before stay valid')
        return
      }
      find = holderFinder(read.keys)
      logger.info({ keys: read.keys.length }, 'API keys read')
    },
  }
}

/** Opens the keys of the file, which is read again every second. */
export const openApiKeys = (path: string, logger: Pick<Logger, 'info' | 'error'>): ApiKeys => {
  const file = openKeyFile(path, logger)
  const probe = async () => {
    if (file.isOutdated()) throw outdated
  }
  return {
    find: (key) => {
      if (!keyPattern.test(key)) return refused(malformed)
      return file.find(key) ?? refused(unknown)
    },
    jobs: [{ name: 'api-keys', pauseMs: pollMs, work: file.readAgain }],
    dependencies: [{ name: 'api-keys', required: false, probe }],
  }
}
