import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { backoff } from '../../src/resilience/backoff.ts'

it('each pause is twice as long as the previous one, up to the maximum', () => {
  const pauses = [0, 1, 2, 3, 4, 5, 60, 2_000].map((failed) => backoff(failed, { first: 250, last: 5_000 }))
  assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000])
})

it('jitter shortens a pause by no more than its share', () => {
  fc.assert(
    fc.property(fc.nat(20), (failed) => {
      const fullPause = backoff(failed, { first: 50, last: 500 })
      const pause = backoff(failed, { first: 50, last: 500, jitter: 0.5 })
      return pause > fullPause / 2 - 1e-9 && pause <= fullPause
    }),
  )
})
