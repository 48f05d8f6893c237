import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorReply } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import { newWriteRecord, recordingWrites } from '@shop/platform/audit/write-record.ts'
import type { Basket } from '../../src/domain/basket.ts'
import type { BasketRepository } from '../../src/domain/basket-repository.ts'
import { auditedBaskets } from '../../src/infrastructure/audited-baskets.ts'

const basket = { version: 3 } as Basket

/** What is recorded of a change that the store has seen, and that then fails with the error, or is stored as the next version. */
const recordOf = async (change: (stored: Basket | undefined) => Basket | undefined, error?: unknown) => {
  const store: BasketRepository = {
    find: async () => basket,
    mayRemember: async () => false,
    update: async (_, changeOne) => {
      // As after a conflicting write, the first time with another version.
      changeOne({ ...basket, version: 2 })
      const changed = changeOne(basket)
      if (error !== undefined) throw error
      return changed === basket || changed === undefined ? changed : { ...changed, version: 4 }
    },
  }
  const record = newWriteRecord()
  await recordingWrites(record, () => auditedBaskets(store).update('ann', change)).catch(() => {})
  return record
}

const touched = (stored: Basket | undefined) => stored && { ...stored }
const lost = new AppError('unavailable', 'no', { cause: new Error('no reply') })
const full = new AppError('unavailable', 'no', { cause: new ErrorReply('OOM command not allowed') })

test('the versions of a write are those of its last attempt', async () => {
  assert.deepEqual(await recordOf(touched), { before: 3, after: 4, isUnknown: false, isReplayed: false })
  assert.deepEqual(await recordOf(() => undefined), {
    before: 3,
    after: null,
    isUnknown: false,
    isReplayed: false,
  })
  assert.deepEqual(await recordOf((stored) => stored), {
    before: 3,
    after: 3,
    isUnknown: false,
    isReplayed: false,
  })
})

test('a write without a reply of Redis is unknown; one that Redis has refused, or that was none, is not', async () => {
  const [without, refused, none] = await Promise.all([
    recordOf(touched, lost),
    recordOf(touched, full),
    recordOf((stored) => stored, lost),
  ])
  assert.deepEqual(without, { before: 3, after: undefined, isUnknown: true, isReplayed: false })
  assert.deepEqual(refused, { before: 3, after: undefined, isUnknown: false, isReplayed: false })
  assert.deepEqual(none, { before: 3, after: undefined, isUnknown: false, isReplayed: false })
  assert.equal((await recordOf(touched, new TypeError('a defect'))).isUnknown, true)
})
