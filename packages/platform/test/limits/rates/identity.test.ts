import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { anonymous, type Principal, unrestricted } from '@shop/kernel/principal.ts'
import { identityOf } from '../../../src/limits/rates/identity.ts'

const user = (subject: string, ...scopes: string[]): Principal => ({
  kind: 'user',
  subject,
  scopes: new Set(scopes),
})
const machine = (name: string, ...scopes: string[]): Principal => ({
  kind: 'machine',
  name,
  scopes: new Set(scopes),
})

describe('the identity whose limit a request uses', () => {
  it('is the subject, the API key, or the address', () => {
    assert.equal(identityOf(user('auth0|507f'), '192.0.2.1'), 'user:auth0|507f')
    assert.equal(identityOf(machine('office'), '192.0.2.1'), 'key:office')
    for (const principal of [anonymous, unrestricted]) {
      assert.equal(identityOf(principal, '192.0.2.1'), 'address:192.0.2.1')
      assert.equal(identityOf(principal, undefined), undefined)
    }
    assert.equal(identityOf(user('ann'), undefined), 'user:ann')
  })

  it('is nobody with the scope unlimited, nor for the service itself', () => {
    assert.equal(identityOf(user('ann', 'unlimited'), '192.0.2.1'), undefined)
    assert.equal(identityOf(machine('front', 'baskets:any', 'unlimited'), '192.0.2.1'), undefined)
    assert.equal(identityOf({ kind: 'system' }, '192.0.2.1'), undefined)
  })

  it('is a short text without special characters for every subject, and another one for each', () => {
    const subjects = ['a b', 'a\nb', 'ä', '', 'x'.repeat(129), 'x'.repeat(8_000), 'user:a b']
    const identities = subjects.map((subject) => identityOf(user(subject), '192.0.2.1') ?? '')
    assert.equal(new Set(identities).size, subjects.length)
    for (const identity of identities) assert.match(identity, /^user-sha256:[\w-]{43}$/)
    assert.equal(identityOf(user('x'.repeat(128)), undefined), `user:${'x'.repeat(128)}`)
  })
})
