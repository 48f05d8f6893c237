import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { runProgram, startProgram } from '@shop/testing/services/program.ts'

const failing = new URL('./programs/failing.ts', import.meta.url)
const program = new URL('./programs/service.ts', import.meta.url)

/** Runs until it is stopped, serves on for `delayMs`, and then takes so long to close. */
const startService = (closingMs: number, delayMs = 0) =>
  startProgram(program, String(closingMs), String(delayMs))

describe('a process', () => {
  it('with a bad configuration exits with 78 and has every problem on standard error, without a stack', async () => {
    const { code, stdout, stderr } = await runProgram(failing, 'bad configuration')
    assert.equal(code, 78)
    assert.equal(stdout, '')
    assert.equal(stderr, 'Invalid configuration:\n  - PORT must be a whole number\n  - NAME is required\n')
  })

  it('that its operator must put right exits with 1 and says what, without a stack', async () => {
    const { code, stderr } = await runProgram(failing, 'operator')
    assert.deepEqual([code, stderr], [1, 'the folder is in use\n'])
  })

  it('with any other error exits with 1 and shows where it comes from', async () => {
    const { code, stderr } = await runProgram(failing, 'bug')
    assert.equal(code, 1)
    assert.match(stderr, /^TypeError: no such folder\n +at openAdapters/)
  })

  it('that ends without an error exits with 0 and says nothing', async () => {
    const ended = await runProgram(failing, 'well')
    assert.deepEqual(ended, { code: 0, stdout: '', stderr: '' })
  })

  it('whose port is taken says which, and exits with 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    try {
      const { code, stderr } = await runProgram(failing, 'taken port', String(port))
      assert.equal(code, 1)
      assert.equal(
        stderr,
        `Port ${port} is in use: stop the process that listens on it, or choose another port.\n`,
      )
    } finally {
      holder.close()
    }
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`closes and exits with 0 on ${signal}`, async () => {
      await using process = startService(50)
      await process.said('started')
      process.kill(signal)
      assert.deepEqual(await process.ended(), {
        code: 0,
        stdout: 'started\nstopping\nnot ready\nclosed\n',
        stderr: '',
      })
    })
  }

  it('that hangs while closing exits with 1 at once on a second signal, also of another kind', async () => {
    for (const second of ['SIGTERM', 'SIGINT'] as const) {
      await using process = startService(60_000)
      await process.said('started')
      process.kill('SIGTERM')
      await process.said('not ready')
      process.kill(second)
      assert.deepEqual(await process.ended(), {
        code: 1,
        stdout: 'started\nstopping\nnot ready\nforced stop\n',
        stderr: '',
      })
    }
  })

  /** The service, in which so much time passes at once after SIGTERM: each of `steps` said, in milliseconds. */
  const stoppedInTime = async (closingMs: number, delayMs: number, steps: readonly number[]) => {
    await using process = startProgram(program, String(closingMs), String(delayMs), JSON.stringify(steps))
    await process.said('started')
    process.kill('SIGTERM')
    return await process.ended()
  }

  it('that hangs while closing exits with 1 when ten seconds have passed', async () => {
    assert.deepEqual(await stoppedInTime(60_000, 0, [0, 9_999, 1]), {
      code: 1,
      stdout: 'started\nstopping\nnot ready\n+0\n+9999\n+1\nforced stop\n',
      stderr: '',
    })
  })

  for (const delayMs of [5_000, 12_000])
    it(`serves on for ${delayMs} ms before it closes, when it is told to`, async () => {
      const { code, stdout } = await stoppedInTime(0, delayMs, [delayMs - 1, 1])
      assert.deepEqual(stdout.split('\n').slice(1, -1), [
        'stopping',
        'not ready',
        `+${delayMs - 1}`,
        '+1',
        'closed',
      ])
      assert.equal(code, 0)
    })

  it('has ten seconds to close after it has served on', async () => {
    const { code, stdout } = await stoppedInTime(60_000, 5_000, [5_000, 9_999, 1])
    assert.equal(stdout, 'started\nstopping\nnot ready\n+5000\n+9999\n+1\nforced stop\n')
    assert.equal(code, 1)
  })
})
