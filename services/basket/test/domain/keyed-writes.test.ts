import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import type { Basket } from '../../src/domain/basket.ts'
import { hasWritten, rememberingWrite } from '../../src/domain/keyed-writes.ts'
import { aBasket } from '../support/baskets.ts'
import { aKey } from '../support/keys.ts'

const start = new Date('2026-11-22T09:58:00.123Z')
const minutesLater = (minutes: number) => new Date(start.getTime() + minutes * 60_000)

const rememberingAll = (basket: Basket, names: readonly string[], at = start): Basket =>
  names.reduce((known, name) => rememberingWrite(known, aKey(name), at), basket)

const knownOf = (basket: Basket, names: readonly string[], at = start) =>
  names.filter((name) => hasWritten(basket, aKey(name), at))

const named = (count: number) => Array.from({ length: count }, (_, index) => `key-${index}`)

test('a basket remembers the write with the key, and no other', () => {
  const basket = rememberingWrite(aBasket(), aKey('one'), start)
  assert.ok(hasWritten(basket, aKey('one'), start))
  assert.ok(!hasWritten(basket, aKey('other'), start))
  assert.ok(!hasWritten(aBasket(), aKey('one'), start))
  assert.ok(basket.recent?.every((entry) => entry.length === 40))
})

test('a different request with the key is refused', () => {
  const basket = rememberingWrite(aBasket(), aKey('one', 'this'), start)
  assert.throws(() => hasWritten(basket, aKey('one', 'that'), start), hasCode('idempotency_key_reused'))
})

test('a basket remembers its last 16 writes', () => {
  const names = named(20)
  const basket = rememberingAll(aBasket(), names)
  assert.deepEqual(knownOf(basket, names), names.slice(4))
  assert.equal(basket.recent?.length, 16)
})

test('a basket remembers a write for an hour, and then neither refuses nor replays the key', () => {
  const basket = rememberingAll(rememberingAll(aBasket(), ['old']), ['new'], minutesLater(30))
  assert.deepEqual(knownOf(basket, ['old', 'new'], minutesLater(59.99)), ['old', 'new'])
  assert.deepEqual(knownOf(basket, ['old', 'new'], minutesLater(60)), ['new'])
  assert.ok(!hasWritten(basket, aKey('old', 'another request'), minutesLater(60)))
})

test('forgotten writes make room when the next one is remembered', () => {
  const basket = rememberingAll(rememberingAll(aBasket(), named(10)), ['new'], minutesLater(60))
  assert.equal(basket.recent?.length, 1)
  const again = rememberingAll(basket, ['key-3'], minutesLater(61))
  assert.deepEqual(knownOf(again, [...named(10), 'new'], minutesLater(61)), ['key-3', 'new'])
})

test('a write by a clock that is ahead is remembered', () => {
  const basket = rememberingAll(aBasket(), ['early'], minutesLater(5))
  assert.deepEqual(knownOf(basket, ['early']), ['early'])
})

test('of two writes with the same key, the later one counts, also behind one by a clock that is ahead', () => {
  const basket = rememberingAll(rememberingAll(aBasket(), ['ahead'], minutesLater(90)), ['one'])
  const again = aKey('one', 'another request')
  const written = rememberingWrite(basket, again, minutesLater(60))
  assert.equal(written.recent?.length, 3)
  assert.ok(hasWritten(written, again, minutesLater(60)))
})

test('damaged entries, and those of a later version, are kept and mean nothing', () => {
  const { key, fingerprint } = aKey('one')
  const foreign = [
    '',
    'short',
    key,
    `${key}${fingerprint}`,
    `${key}${fingerprint}!`,
    `2:${key}${fingerprint}:more`,
  ]
  const basket = { ...aBasket(), recent: foreign }
  assert.deepEqual(knownOf(basket, ['one']), [])
  const written = rememberingAll(basket, ['one'])
  assert.deepEqual(knownOf(written, ['one']), ['one'])
  assert.deepEqual(written.recent?.slice(0, -1), foreign)
  assert.equal(rememberingAll(written, named(30)).recent?.length, 16)
})
