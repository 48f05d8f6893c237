import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { policyOf } from '../../src/application/policy.ts'

const user = (subject: string, ...scopes: string[]): Principal => ({
  kind: 'user',
  subject,
  scopes: new Set(scopes),
})
const office: Principal = { kind: 'machine', name: 'ann', scopes: new Set(['baskets:any']) }
const namesake: Principal = { kind: 'machine', name: 'ann', scopes: new Set(['products:write']) }

/** The message of the refusal, or `ok`. */
const outcome = (principal: Principal, userId: string, guests = true): string =>
  policyOf({ guests }).addItem.refusal(principal, { userId })?.message ?? 'ok'

test('a basket is for its user, and for callers with the scope for all baskets', () => {
  assert.equal(outcome(user('ann'), 'ann'), 'ok')
  assert.equal(outcome(office, 'ann'), 'ok')
  assert.equal(outcome(user('ben', 'baskets:any'), 'ann'), 'ok')
  for (const other of [user('ben'), user('Ann'), user('ANN'), namesake])
    assert.match(outcome(other, 'ann'), /needs the scope baskets:any/)
  assert.match(outcome(anonymous, 'ann'), /needs credentials/)
})

test('a subject that cannot be a user id is told why, and may use baskets only by a scope', () => {
  for (const subject of ['guest:1', 'a+b@shop.example', '..', 'a b', 'a'.repeat(129)]) {
    assert.match(outcome(user(subject), 'ann'), /the subject of the token cannot be a user id/)
    assert.equal(outcome(user(subject, 'baskets:any'), 'ann'), 'ok')
  }
})

test("a guest's basket is for everybody who knows its id, unless guests are switched off", () => {
  for (const caller of [anonymous, user('ann'), user('guest:2'), namesake]) {
    assert.equal(outcome(caller, 'guest:1'), 'ok')
    assert.match(outcome(caller, 'guest:1', false), /switched off/)
  }
  // Also not by a token that claims the id as its subject.
  assert.match(outcome(user('guest:1'), 'guest:1', false), /switched off/)
  assert.equal(outcome(office, 'guest:1', false), 'ok')
})
