import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rememberedRecords } from '../../src/infrastructure/remembered-records.ts'

describe('remembered records', () => {
  test('are returned once', () => {
    const { remember, take } = rememberedRecords(10_000)
    remember('key', 'record')
    assert.equal(take('key'), 'record')
    assert.equal(take('key'), undefined)
    assert.equal(take('other'), undefined)
  })

  test('are replaced', () => {
    const { remember, take } = rememberedRecords(10_000)
    remember('key', 'first')
    remember('key', 'second')
    assert.equal(take('key'), 'second')
    assert.equal(take('key'), undefined)
  })

  test('never exceed their limit: those stored longest ago are forgotten first', () => {
    const { remember, take, bytes } = rememberedRecords(5_000)
    for (let index = 0; index < 1_000; index++) {
      remember('often', 'x'.repeat(index % 300))
      remember(`key${index}`, 'x'.repeat(500))
      assert.ok(bytes() <= 5_000)
    }
    const kept = Array.from({ length: 1_000 }, (_, index) => take(`key${index}`) !== undefined)
    assert.deepEqual([kept.indexOf(true), kept.lastIndexOf(false)], [997, 996])
    assert.notEqual(take('often'), undefined)
    assert.equal(bytes(), 0)
  })

  test('do not include one that exceeds the limit by itself', () => {
    const { remember, take, bytes } = rememberedRecords(5_000)
    remember('key', 'x'.repeat(5_000))
    assert.equal(take('key'), undefined)
    assert.equal(bytes(), 0)
  })
})
