import type { Logger } from '../logging/logger.ts'
import type { Dependency } from './health.ts'

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Returns the dependency with a probe that logs why it fails: once, until it fails for another reason or
 * succeeds. The message of the error must not contain secrets.
 */
export const logFailures = (dependency: Dependency, logger: Logger): Dependency => {
  const { name: check, required, probe } = dependency
  let logged: string | undefined
  return {
    ...dependency,
    probe: async (signal) => {
      try {
        await probe(signal)
      } catch (error) {
        const reason = reasonOf(error)
        if (reason !== logged) logger[required ? 'error' : 'warn']({ check, reason }, 'health check failing')
        logged = reason
        throw error
      }
      if (logged !== undefined) logger.info({ check }, 'health check passing again')
      logged = undefined
    },
  }
}
