import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { batchedOutput } from '../../src/logging/batched-output.ts'

const written = () => {
  const writes: string[] = []
  return { writes, stream: batchedOutput({ write: (text) => void writes.push(text) }) }
}

describe('lines of a log', () => {
  it('of one turn are one write, in their order, and those of the next turn another', async () => {
    const { writes, stream } = written()
    for (const line of ['one\n', 'two\n', 'three\n']) stream.write(line)
    assert.deepEqual(writes, [])
    await turn()
    stream.write('four\n')
    await turn()
    assert.deepEqual(writes, ['one\ntwo\nthree\n', 'four\n'])
  })

  it('do not gather without a bound in a long turn, and none is lost or written twice', async () => {
    const { writes, stream } = written()
    const lines = Array.from({ length: 1_000 }, (_, index) => `${String(index).padStart(999, '.')}\n`)
    for (const line of lines) stream.write(line)
    assert.ok(writes.length > 10)
    await turn()
    assert.equal(writes.join(''), lines.join(''))
    const longest = Math.max(...writes.map(({ length }) => length))
    assert.ok(longest < 70_000, `${longest} characters were gathered`)
  })
})
