import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createBudget } from '../../src/limits/budget.ts'
import { createUnreadResponses, type UnreadResponse } from '../../src/limits/unread-responses.ts'

const kib = 1024
const large = 100 * kib

/** The unread responses of a process that may keep 1,000 KiB, and 500 KiB for each client. */
const open = (options: Parameters<typeof createUnreadResponses>[1] = {}) => {
  const budget = createBudget({ total: 1_000 * kib, share: 500 * kib })
  const cut: string[] = []
  const reasons: string[] = []
  const unread = createUnreadResponses(budget, { ...options, onCut: (reason) => reasons.push(reason) })
  const responseTo = (client: string, name = client): UnreadResponse => ({
    client,
    unreadBytes: 0,
    unreadSince: 0,
    cut: () => cut.push(name),
  })
  return { budget, cut, reasons, unread, responseTo }
}

describe('unread responses', () => {
  it('are refused when the client has used up its share, unless they are small', () => {
    const { budget, unread, responseTo } = open()
    for (let count = 0; count < 5; count++) assert.equal(unread.take(responseTo('ann'), large), undefined)
    assert.equal(unread.take(responseTo('ann'), large), 'client')
    assert.equal(unread.take(responseTo('ann'), 16 * kib), undefined)
    assert.equal(unread.take(responseTo('bob'), large), undefined)
    assert.equal(budget.used(), 616 * kib)
  })

  it('have room again for what was taken, and for what ended', () => {
    const { budget, unread, responseTo } = open()
    const [first, second] = [responseTo('ann'), responseTo('ann')]
    unread.take(first, large)
    unread.take(first, 4 * large)
    unread.take(second, 10)
    unread.giveBack(first, large)
    assert.equal(budget.used(), 4 * large + 10)
    for (const response of [first, second, first]) unread.giveBackAll(response)
    unread.giveBack(first, large)
    assert.deepEqual([budget.used(), unread.count()], [0, 0])
  })

  it('that have waited longest are cut when the total is used up', () => {
    const { budget, cut, reasons, unread, responseTo } = open({ minMs: 0 })
    for (const client of ['ann', 'bob'])
      for (let count = 0; count < 5; count++) unread.take(responseTo(client, `${client} ${count}`), large)
    assert.equal(unread.take(responseTo('cid'), 2 * large), undefined)
    assert.deepEqual(cut, ['ann 0', 'ann 1'])
    assert.deepEqual(reasons, ['room_for_others', 'room_for_others'])
    assert.equal(budget.used(), 10 * large)
  })

  it('that have just begun to wait are not cut to make room', () => {
    const { cut, unread, responseTo } = open()
    for (const client of ['ann', 'bob']) unread.take(responseTo(client), 5 * large)
    assert.equal(unread.take(responseTo('cid'), large), 'total')
    assert.deepEqual(cut, [])
  })

  it('are cut when they have waited too long', () => {
    const { budget, cut, reasons, unread, responseTo } = open({ maxMs: 0 })
    unread.take(responseTo('ann'), large)
    unread.cutSlow()
    assert.deepEqual([cut, reasons, budget.used()], [['ann'], ['too_slow'], 0])
    const patient = open()
    patient.unread.take(patient.responseTo('ann'), large)
    patient.unread.cutSlow()
    assert.deepEqual(patient.cut, [])
  })
})
