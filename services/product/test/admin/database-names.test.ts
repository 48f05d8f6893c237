import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxNameBytes, namesBeside } from '../../src/admin/database-names.ts'

const now = new Date('2026-11-27T23:28:00Z')

for (const name of ['shop', 'x'.repeat(63), 'магазин_товаров_основной_базы_дан1', '🛒'.repeat(15)])
  test(`the names beside the database ${name} fit, differ from it, and consist of whole characters`, () => {
    const { restored, kept } = namesBeside(name, now)
    for (const other of [restored, kept]) {
      assert.ok(Buffer.byteLength(other) <= maxNameBytes)
      assert.notEqual(other, name)
      assert.ok(other.isWellFormed())
    }
    assert.match(restored, /_restored_20261127232800_[0-9a-f]{6}$/)
    assert.match(kept, /_before_20261127232800_[0-9a-f]{6}$/)
    assert.notEqual(namesBeside(name, now).restored, restored)
  })
