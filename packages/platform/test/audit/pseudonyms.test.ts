import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createPseudonyms } from '../../src/audit/pseudonyms.ts'

test('a pseudonym is the beginning of the HMAC-SHA-256, as RFC 4231 has it', () => {
  const pseudonymOf = createPseudonyms('Jefe')
  // Test case 2.
  const expected = Buffer.from('5bdcc146bf60754e6a042426089575c75a', 'hex').toString('base64url').slice(0, 22)
  assert.equal(pseudonymOf('what do ya want for nothing?'), expected)
  assert.notEqual(createPseudonyms('jefe')('what do ya want for nothing?'), expected)
})

test('is the same while it is remembered, and after it was forgotten', () => {
  const pseudonymOf = createPseudonyms('k'.repeat(32))
  const first = pseudonymOf('ann')
  assert.equal(pseudonymOf('ann'), first)
  const others = Array.from({ length: 2_000 }, (_, index) => pseudonymOf(`user${index}`))
  assert.equal(new Set(others).size, 2_000)
  assert.equal(pseudonymOf('ann'), first)
  assert.match(first, /^[\w-]{22}$/)
})
