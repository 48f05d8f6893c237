import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { createTrouble } from '../../src/audit/trouble.ts'

test('each trouble is logged once, when it begins and when it ends, with the lines that were lost in it', () => {
  const { logger, lines } = recordingLogger()
  const reported: number[] = []
  let counted = 0
  const trouble = createTrouble({
    logger,
    count: (lost) => void (counted += lost),
    onLoss: (lost) => void reported.push(lost),
  })
  for (const lost of [2, 0, 3]) {
    trouble.ended()
    for (let times = 0; times < 2; times++) trouble.failed(new Error('no room'))
    if (lost > 0) trouble.lost(lost)
    trouble.ended()
  }
  assert.deepEqual(reported, [2, 3])
  assert.equal(counted, 5)
  assert.deepEqual(
    lines.map(({ msg, lost }) => [msg, lost]),
    [2, 0, 3].flatMap((lost) => [
      ['audit lines cannot be written', undefined],
      ['audit lines are written again', lost],
    ]),
  )
})
