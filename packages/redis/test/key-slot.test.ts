import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { keySlot } from '../src/key-slot.ts'

/** The basket service's routing tests compare with a real server. */
it('computes the slots of the examples in the Redis Cluster specification', () => {
  assert.equal(keySlot('123456789'), 0x31c3)
  assert.equal(keySlot('{user1000}.following'), keySlot('{user1000}.followers'))
  assert.notEqual(keySlot('foo{}{bar}'), keySlot('bar'))
  assert.equal(keySlot('foo{{bar}}zap'), keySlot('{bar'))
  assert.equal(keySlot('foo{bar}{zap}'), keySlot('bar'))
})

it('computes a slot below 16,384 for any key', () => {
  fc.assert(fc.property(fc.string(), (key) => keySlot(key) >= 0 && keySlot(key) < 16_384))
})
