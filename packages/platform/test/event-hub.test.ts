import assert from 'node:assert/strict'
import { it } from 'node:test'
import { eventHub } from '../src/event-hub.ts'

it('every subscriber receives every event in order, even when another subscriber throws', () => {
  const errors: unknown[] = []
  const hub = eventHub<string>((error) => errors.push(error))
  const [first, second]: [string[], string[]] = [[], []]
  const broken = new Error('full')
  hub.subscribe((event) => first.push(event))
  hub.subscribe(() => {
    throw broken
  })
  hub.subscribe((event) => second.push(event))
  hub.publish(['a', 'b'])
  hub.publish([])
  hub.publish(['c'])
  assert.deepEqual(
    [first, second],
    [
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ],
  )
  assert.deepEqual(errors, [broken, broken, broken])
})
