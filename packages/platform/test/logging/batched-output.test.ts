import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { batchedOutput } from '../../src/logging/batched-output.ts'

const recordWrites = () => {
  const writes: string[] = []
  return { writes, stream: batchedOutput({ write: (text) => void writes.push(text) }) }
}

describe('log lines', () => {
  it('of one tick are written together and in order, and those of the next tick separately', async () => {
    const { writes, stream } = recordWrites()
    for (const line of ['one\n', 'two\n', 'three\n']) stream.write(line)
    assert.deepEqual(writes, [])
    await tick()
    stream.write('four\n')
    await tick()
    assert.deepEqual(writes, ['one\ntwo\nthree\n', 'four\n'])
  })

  it('are flushed repeatedly during a long tick, each line exactly once', async () => {
    const { writes, stream } = recordWrites()
    const lines = Array.from({ length: 1_000 }, (_, index) => `${String(index).padStart(999, '.')}\n`)
    for (const line of lines) stream.write(line)
    assert.ok(writes.length > 10)
    await tick()
    assert.equal(writes.join(''), lines.join(''))
    const longest = Math.max(...writes.map(({ length }) => length))
    assert.ok(longest < 70_000, `${longest} characters in one write`)
  })

  it('that may wait are written with the next line that may not, in order', async ({ mock }) => {
    // On a busy machine, a turn takes longer than the line may wait.
    mock.timers.enable({ apis: ['setTimeout'] })
    const { writes, stream } = recordWrites()
    stream.writeSoon('one\n')
    await tick()
    assert.deepEqual(writes, [])
    stream.write('two\n')
    stream.writeSoon('three\n')
    await tick()
    assert.deepEqual(writes, ['one\ntwo\nthree\n'])
  })

  it('that may wait are written together soon, and do not keep the process running', async () => {
    const { writes, stream } = recordWrites()
    for (const line of ['one\n', 'two\n']) stream.writeSoon(line)
    assert.ok(!process.getActiveResourcesInfo().includes('Timeout'))
    await eventually(20_000, async () => assert.deepEqual(writes, ['one\ntwo\n']))
  })
})
