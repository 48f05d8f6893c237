import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { keySlot } from '../src/key-slot.ts'

/** The examples of the specification of Redis Cluster; the tests of the basket service compare with a cluster. */
it('the slot of a key is the one that Redis Cluster gives it', () => {
  assert.equal(keySlot('123456789'), 0x31c3)
  assert.equal(keySlot('{user1000}.following'), keySlot('{user1000}.followers'))
  assert.notEqual(keySlot('foo{}{bar}'), keySlot('bar'))
  assert.equal(keySlot('foo{{bar}}zap'), keySlot('{bar'))
  assert.equal(keySlot('foo{bar}{zap}'), keySlot('bar'))
})

it('every slot is within the 16,384', () => {
  fc.assert(fc.property(fc.string(), (key) => keySlot(key) >= 0 && keySlot(key) < 16_384))
})
