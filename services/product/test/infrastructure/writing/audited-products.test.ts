import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { newWriteRecord, recordingWrites } from '@shop/platform/audit/write-record.ts'
import { CircuitOpen } from '@shop/platform/resilience/breaker.ts'
import { noIdLeft } from '../../../src/domain/errors.ts'
import type { ProductRepository } from '../../../src/domain/product-repository.ts'
import { auditedProducts } from '../../../src/infrastructure/writing/audited-products.ts'
import { creationOf } from '../../support/store.ts'

/** Whether it is unknown if a write took effect after this error, for a creation and an update that was sent. */
const isUnknownAfter = async (error: unknown) => {
  const failing: ProductRepository = {
    add: async () => {
      throw error
    },
    update: async (_, change) => {
      change(undefined)
      throw error
    },
  }
  const products = auditedProducts(failing)
  const records = [newWriteRecord(), newWriteRecord()] as const
  const removal = { product: undefined, events: [] } as const
  await assert.rejects(recordingWrites(records[0], () => products.add(creationOf())))
  await assert.rejects(recordingWrites(records[1], () => products.update(1, () => removal)))
  assert.equal(records[0].isUnknown, records[1].isUnknown)
  return records[0].isUnknown
}

const unavailable = (cause?: unknown) => new AppError('unavailable', 'no', { cause })
const answer = (code: string) => Object.assign(new Error('from the server'), { code })

test('a write is unknown if the database gave no answer, or one that does not say it', async () => {
  for (const error of [
    unavailable(new Error('Connection terminated unexpectedly')),
    unavailable(Object.assign(new Error('socket'), { code: 'EPIPE' })),
    unavailable(answer('57P01')),
    unavailable(answer('08006')),
    new TypeError('a defect'),
  ])
    assert.equal(await isUnknownAfter(error), true, String(error))
})

test('a write was not made if the database has refused it, or was not asked', async () => {
  for (const error of [
    unavailable(answer('53100')),
    unavailable(answer('55P03')),
    unavailable(new CircuitOpen()),
    unavailable(),
    noIdLeft(answer('2200H')),
    new AppError('rate_limited', 'no'),
  ])
    assert.equal(await isUnknownAfter(error), false, String(error))
})

test('a change that has thrown was not sent', async () => {
  const record = newWriteRecord()
  const products = auditedProducts({
    add: () => Promise.reject(new Error('not called')),
    update: async (_, change) => change(undefined).product,
  })
  const refuse = () => {
    throw new TypeError('a defect')
  }
  await assert.rejects(recordingWrites(record, () => products.update(1, refuse)))
  assert.deepEqual(record, { before: null, after: undefined, isUnknown: false, isReplayed: false })
})
