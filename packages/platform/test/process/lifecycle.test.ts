import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { runProgram, startProgram } from '@shop/testing/services/program.ts'

const failing = new URL('./programs/failing.ts', import.meta.url)
const program = new URL('./programs/service.ts', import.meta.url)

/** Starts a service that, once stopped, serves for `delayMs` longer and then takes `closingMs` to close. */
const startService = (closingMs: number, delayMs = 0) =>
  startProgram(program, String(closingMs), String(delayMs))

describe('a process', () => {
  it('with an invalid configuration exits with 78 and prints every problem, without a stack trace', async () => {
    const { code, stdout, stderr } = await runProgram(failing, 'invalid configuration')
    assert.equal(code, 78)
    assert.equal(stdout, '')
    assert.equal(
      stderr,
      'Invalid configuration:\n  - PORT must be a whole number\n  - A_URL must be a URL such as redis://user:password@host\n',
    )
  })

  it('with an operator error exits with 1 and prints the message, without a stack trace or credentials', async () => {
    const { code, stderr } = await runProgram(failing, 'operator error')
    assert.deepEqual([code, stderr], [1, 'cannot open postgres://[Redacted]@host/shop\n'])
  })

  it('with an operator error prints its message even if closing fails too', async () => {
    const { code, stderr } = await runProgram(failing, 'operator error, and closing fails')
    assert.deepEqual([code, stderr], [1, 'the disk is full\n'])
  })

  it('with any other error exits with 1 and prints the stack trace', async () => {
    const { code, stderr } = await runProgram(failing, 'bug')
    assert.equal(code, 1)
    assert.match(stderr, /^TypeError: no such folder\n +at openAdapters/)
  })

  it('that ends without an error exits with 0 and prints nothing', async () => {
    const result = await runProgram(failing, 'success')
    assert.deepEqual(result, { code: 0, stdout: '', stderr: '' })
  })

  it('whose port is in use exits with 1 and names the port', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    try {
      const { code, stderr } = await runProgram(failing, 'port in use', String(port))
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
      await using service = startService(50)
      await service.waitForOutput('started')
      service.kill(signal)
      assert.deepEqual(await service.waitForExit(), {
        code: 0,
        stdout: 'started\nstopping\nnot ready\nclosed\n',
        stderr: '',
      })
    })
  }

  it('that hangs while closing exits with 1 immediately on a second signal, even a different one', async () => {
    for (const second of ['SIGTERM', 'SIGINT'] as const) {
      await using service = startService(60_000)
      await service.waitForOutput('started')
      service.kill('SIGTERM')
      await service.waitForOutput('not ready')
      service.kill(second)
      assert.deepEqual(await service.waitForExit(), {
        code: 1,
        stdout: 'started\nstopping\nnot ready\nforced stop\n',
        stderr: '',
      })
    }
  })

  /** Sends SIGTERM. The service's mocked clock then advances by each of `steps`, in milliseconds. */
  const stopWithMockedClock = async (closingMs: number, delayMs: number, steps: readonly number[]) => {
    await using service = startProgram(program, String(closingMs), String(delayMs), JSON.stringify(steps))
    await service.waitForOutput('started')
    service.kill('SIGTERM')
    return await service.waitForExit()
  }

  it('that hangs while closing exits with 1 after ten seconds', async () => {
    assert.deepEqual(await stopWithMockedClock(60_000, 0, [0, 9_999, 1]), {
      code: 1,
      stdout: 'started\nstopping\nnot ready\n+0\n+9999\n+1\nforced stop\n',
      stderr: '',
    })
  })

  for (const delayMs of [5_000, 12_000])
    it(`keeps serving for a shutdown delay of ${delayMs} ms before it closes`, async () => {
      const { code, stdout } = await stopWithMockedClock(0, delayMs, [delayMs - 1, 1])
      assert.deepEqual(stdout.split('\n').slice(1, -1), [
        'stopping',
        'not ready',
        `+${delayMs - 1}`,
        '+1',
        'closed',
      ])
      assert.equal(code, 0)
    })

  it('has ten seconds to close after the shutdown delay', async () => {
    const { code, stdout } = await stopWithMockedClock(60_000, 5_000, [5_000, 9_999, 1])
    assert.equal(stdout, 'started\nstopping\nnot ready\n+5000\n+9999\n+1\nforced stop\n')
    assert.equal(code, 1)
  })
})
