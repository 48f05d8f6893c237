import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { auditConfigOf, auditProblems, readAuditKey, warnIfUnkeyed } from '../../src/audit/config.ts'
import type { AuthConfig } from '../../src/auth/config.ts'

const keys: AuthConfig = { mode: 'keys', apiKeysFile: '/keys' }
const logging = { format: 'json', output: 'file', folder: '/logs', file: 'shop.log' } as const

const problemsOf = (variables: Parameters<typeof auditProblems>[0]) =>
  auditProblems(variables).filter((problem) => problem !== false)

test('AUDIT_KEY_FILE names a file with at least 32 bytes, of which a newline at the end is none', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
  const path = join(folder.path, 'key')
  const check = (text: string) => {
    writeFileSync(path, text)
    return problemsOf({ AUTH: 'keys', AUDIT_KEY_FILE: path })
  }
  assert.deepEqual(check(`${'k'.repeat(32)}\n`), [])
  assert.equal(readAuditKey(path), 'k'.repeat(32))
  // 16 characters of two bytes each.
  assert.deepEqual(check('é'.repeat(16)), [])
  const tooShort = ['AUDIT_KEY_FILE must name a file with at least 32 bytes']
  assert.deepEqual(check(`${'k'.repeat(31)}\n`), tooShort)
  assert.throws(() => readAuditKey(path), { message: tooShort[0] ?? '' })
  assert.deepEqual(check(''), ['AUDIT_KEY_FILE must name a file that is not empty'])
  assert.deepEqual(check('k'.repeat(65_537)), ['AUDIT_KEY_FILE must name a file of at most 65536 bytes'])
  assert.deepEqual(problemsOf({ AUTH: 'jwt', AUDIT_KEY_FILE: folder.path }), [
    'AUDIT_KEY_FILE must name a file, not a folder, pipe or device',
  ])
})

test('AUDIT_KEY_FILE without AUTH is a mistake, and with AUTH=off it is not read', () => {
  assert.deepEqual(problemsOf({ AUDIT_KEY_FILE: '/missing' }), [
    'AUDIT_KEY_FILE must not be set unless AUTH is keys or jwt',
  ])
  assert.deepEqual(problemsOf({ AUTH: 'off', AUDIT_KEY_FILE: '/missing' }), [])
  assert.deepEqual(problemsOf({ AUTH: 'keys' }), [])
})

test('the lines go where the log goes: to the console, or to a file beside it', () => {
  assert.deepEqual(auditConfigOf({}, keys, logging), {
    keyFile: undefined,
    file: { folder: '/logs', name: 'shop.audit.log' },
  })
  const fileOf = (output: 'console' | 'both', file: string) =>
    auditConfigOf({ AUDIT_KEY_FILE: '/key' }, keys, { ...logging, output, file })?.file?.name
  assert.equal(fileOf('console', 'shop.log'), undefined)
  assert.equal(fileOf('both', 'shop'), 'shop.audit')
  assert.equal(fileOf('both', 'a.b.log'), 'a.b.audit.log')
})

test('without AUTH there is no audit log, and nothing to warn of', () => {
  const warnings: unknown[] = []
  const logger = { warn: (message: unknown) => void warnings.push(message) }
  const off = auditConfigOf({ AUDIT_KEY_FILE: '/key' }, { mode: 'off', isProduction: true }, logging)
  assert.equal(off, undefined)
  warnIfUnkeyed(logger, off)
  warnIfUnkeyed(logger, { keyFile: '/key', file: undefined })
  assert.deepEqual(warnings, [])
  warnIfUnkeyed(logger, { keyFile: undefined, file: undefined })
  assert.deepEqual(warnings, [
    'AUDIT_KEY_FILE is not set: audit lines do not say which user has written, nor whose basket',
  ])
})
