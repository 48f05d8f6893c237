import { createHash } from 'node:crypto'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Client } from '../client.ts'

/** Callers with this scope are not limited: services and front ends that call for many people. */
export const unlimitedScope = 'unlimited'

/** Whose budget a request uses: part of the keys in the shared store, and never in logs or metrics. Undefined for no limit. */
export type RateIdentity = string | undefined

const maxSubjectLength = 128
const plainSubject = /^[A-Za-z0-9._:@|-]+$/

/** Other subjects are replaced by their SHA-256, so that keys are short and have no control characters. */
const subjectKey = (subject: string): string =>
  subject.length <= maxSubjectLength && plainSubject.test(subject)
    ? `user:${subject}`
    : `user-sha256:${createHash('sha256').update(subject).digest('base64url')}`

/**
 * Returns whose budget a request uses: that of its subject or API key, otherwise that of its address. `client` is undefined for a
 * trusted proxy that names no client: it is not limited.
 */
export const identityOf = (principal: Principal, client: Client): RateIdentity => {
  if (principal.kind === 'system') return undefined
  if (principal.kind === 'user' || principal.kind === 'machine') {
    if (principal.scopes.has(unlimitedScope)) return undefined
    return principal.kind === 'user' ? subjectKey(principal.subject) : `key:${principal.name}`
  }
  return client === undefined ? undefined : `address:${client}`
}
