import type { Host } from './host-list.ts'

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  // Node.js reports the failed addresses of one name as an error without a message.
  return error.message === '' && 'code' in error ? String(error.code) : error.message
}

/** Thrown when none of several servers accepts writes. The message has the reason of each. */
export class NoPrimary extends Error {
  override readonly name = 'NoPrimary'

  /** The errors are in the order of the hosts. */
  constructor(hosts: readonly Host[], errors: readonly unknown[]) {
    const reasons = hosts.map(({ host, port }, index) => `${host}:${port}: ${reasonOf(errors[index])}`)
    super(`none of the configured PostgreSQL servers accepts writes: ${reasons.join('; ')}`)
  }
}
