import assert from 'node:assert/strict'
import { test } from 'node:test'
import { auditConfigOf, auditProblems, warnIfUnkeyed } from '../../src/audit/config.ts'
import type { AuthConfig } from '../../src/auth/config.ts'

const keys: AuthConfig = { mode: 'keys', apiKeysFile: '/keys' }
const logging = { format: 'json', output: 'file', folder: '/logs', file: 'shop.log' } as const
const key = 'k'.repeat(32)

const problemsOf = (variables: Parameters<typeof auditProblems>[0]) =>
  auditProblems(variables).filter((problem) => problem !== false)

test('AUDIT_KEY has at least 32 bytes, and is a mistake if nothing says how callers are known', () => {
  assert.deepEqual(problemsOf({ AUTH: 'keys', AUDIT_KEY: key }), [])
  assert.deepEqual(problemsOf({ AUTH: 'keys' }), [])
  assert.deepEqual(problemsOf({ AUTH: 'off', AUDIT_KEY: key }), [])
  // 16 characters of two bytes each.
  assert.deepEqual(problemsOf({ AUTH: 'jwt', AUDIT_KEY: 'é'.repeat(16) }), [])
  assert.deepEqual(problemsOf({ AUDIT_KEY: key.slice(1) }), [
    'AUDIT_KEY must not be set unless AUTH is keys or jwt',
    'AUDIT_KEY must have at least 32 bytes',
  ])
})

test('the lines go where the log goes: to the console, or to a file beside it', () => {
  assert.deepEqual(auditConfigOf({}, keys, logging), {
    key: undefined,
    file: { folder: '/logs', name: 'shop.audit.log' },
  })
  const fileOf = (output: 'console' | 'both', file: string) =>
    auditConfigOf({ AUDIT_KEY: key }, keys, { ...logging, output, file })?.file?.name
  assert.equal(fileOf('console', 'shop.log'), undefined)
  assert.equal(fileOf('both', 'shop'), 'shop.audit')
  assert.equal(fileOf('both', 'a.b.log'), 'a.b.audit.log')
})

test('without AUTH there is no audit log, and nothing to warn of', () => {
  const warnings: unknown[] = []
  const logger = { warn: (message: unknown) => void warnings.push(message) }
  const off = auditConfigOf({ AUDIT_KEY: key }, { mode: 'off', isProduction: true }, logging)
  assert.equal(off, undefined)
  warnIfUnkeyed(logger, off)
  warnIfUnkeyed(logger, { key, file: undefined })
  assert.deepEqual(warnings, [])
  warnIfUnkeyed(logger, { key: undefined, file: undefined })
  assert.deepEqual(warnings, ['AUDIT_KEY is not set: audit lines do not say which users they are about'])
})
