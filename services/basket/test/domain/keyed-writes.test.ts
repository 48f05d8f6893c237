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
  assert.match(basket.keyedWrites ?? '', /^[\w-]{25}$/)
})

test('a different request with the key is refused', () => {
  const basket = rememberingWrite(aBasket(), aKey('one', 'this'), start)
  assert.throws(() => hasWritten(basket, aKey('one', 'that'), start), hasCode('idempotency_key_reused'))
})

test('a basket remembers its last 16 writes', () => {
  const names = named(20)
  const basket = rememberingAll(aBasket(), names)
  assert.deepEqual(knownOf(basket, names), names.slice(4))
  assert.equal(basket.keyedWrites?.length, 16 * 25)
})

test('a basket remembers a write for an hour, and then neither refuses nor replays the key', () => {
  const basket = rememberingAll(rememberingAll(aBasket(), ['old']), ['new'], minutesLater(30))
  assert.deepEqual(knownOf(basket, ['old', 'new'], minutesLater(59.99)), ['old', 'new'])
  assert.deepEqual(knownOf(basket, ['old', 'new'], minutesLater(60)), ['new'])
  assert.ok(!hasWritten(basket, aKey('old', 'another request'), minutesLater(60)))
})

test('forgotten writes make room when the next one is remembered', () => {
  const basket = rememberingAll(rememberingAll(aBasket(), named(10)), ['new'], minutesLater(60))
  assert.equal(basket.keyedWrites?.length, 25)
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
  assert.equal(written.keyedWrites?.length, 3 * 25)
  assert.ok(hasWritten(written, again, minutesLater(60)))
})

test('damaged entries mean nothing, and make room in time', () => {
  const { key, fingerprint } = aKey('one')
  for (const damaged of [
    '',
    'short',
    key,
    `${key}${fingerprint}`,
    `${key.slice(0, 10)}${'!'.repeat(15)}`,
    '?'.repeat(999),
  ]) {
    const basket = { ...aBasket(), keyedWrites: damaged }
    assert.deepEqual(knownOf(basket, ['one']), [])
    const written = rememberingAll(basket, ['one'])
    assert.deepEqual(knownOf(written, ['one']), ['one'])
    assert.equal(rememberingAll(written, named(30)).keyedWrites?.length, 16 * 25)
  }
})
