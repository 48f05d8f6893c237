import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { runScript, startScript } from './support/script.ts'

const imports = `
  import { setTimeout as delay } from 'node:timers/promises'
  import { run, untilStopped } from '../src/lifecycle.ts'
  const logger = { info: (_, text: string) => console.log(text), fatal: (_, text: string) => console.log(text) }
`

/** Runs until it is stopped, and then takes so long to close. */
const service = (closingMs: number, config: object = { ENVIRONMENT: 'development' }) => `${imports}
  await run(async () => {
    const open = setInterval(() => {}, 1_000)
    const stopped = untilStopped(logger, ${JSON.stringify(config)}, () => console.log('not ready'))
    console.log('started')
    await stopped
    await delay(${closingMs})
    clearInterval(open)
    console.log('closed')
  })
`

describe('a process', () => {
  it('with a bad configuration exits with 78 and has every problem on standard error, without a stack', async () => {
    const { code, stdout, stderr } = await runScript(`${imports}
      import { ConfigError } from '../src/config.ts'
      await run(async () => { throw new ConfigError(['PORT must be a whole number', 'NAME is required']) })
    `)
    assert.equal(code, 78)
    assert.equal(stdout, '')
    assert.equal(
      stderr,
      'The configuration cannot be used:\n  - PORT must be a whole number\n  - NAME is required\n',
    )
  })

  it('that its operator must put right exits with 1 and says what, without a stack', async () => {
    const { code, stderr } = await runScript(`${imports}
      import { OperatorError } from '../src/operator-error.ts'
      await run(async () => { throw new OperatorError('the folder is in use') })
    `)
    assert.deepEqual([code, stderr], [1, 'the folder is in use\n'])
  })

  it('with any other error exits with 1 and shows where it comes from', async () => {
    const { code, stderr } = await runScript(`${imports}
      const openAdapters = async () => { throw new TypeError('no such folder') }
      await run(openAdapters)
    `)
    assert.equal(code, 1)
    assert.match(stderr, /^TypeError: no such folder\n +at openAdapters/)
  })

  it('that ends without an error exits with 0 and says nothing', async () => {
    const ended = await runScript(`${imports} await run(async () => {})`)
    assert.deepEqual(ended, { code: 0, stdout: '', stderr: '' })
  })

  it('whose port is taken says which, and exits with 1', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    try {
      const { code, stderr } = await runScript(`${imports}
        import { once } from 'node:events'
        import { createServer } from 'node:http'
        await run(async () => { await once(createServer().listen(${port}, '127.0.0.1'), 'listening') })
      `)
      assert.equal(code, 1)
      assert.equal(stderr, `Port ${port} is taken: stop what listens there, or choose another one.\n`)
    } finally {
      holder.close()
    }
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`closes and exits with 0 on ${signal}`, async () => {
      await using process = startScript(service(50))
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
      await using process = startScript(service(60_000))
      await process.said('started')
      process.kill('SIGTERM')
      await process.said('not ready')
      process.kill(second)
      assert.deepEqual(await process.ended(), {
        code: 1,
        stdout: 'started\nstopping\nnot ready\nstopped by force\n',
        stderr: '',
      })
    }
  })

  /** The service, in which so much time passes at once after SIGTERM: each of `steps` said, in milliseconds. */
  const stoppedInTime = async (script: string, steps: readonly number[]) => {
    await using process = startScript(`
      import { mock } from 'node:test'
      setTimeout(() => process.exit(9), 10_000).unref()
      mock.timers.enable({ apis: ['setTimeout'] })
      process.once('SIGTERM', async () => {
        for (const step of ${JSON.stringify(steps)}) {
          await new Promise(setImmediate)
          console.log('+' + step)
          mock.timers.tick(step)
        }
      })
      ${script}
    `)
    await process.said('started')
    process.kill('SIGTERM')
    return await process.ended()
  }

  it('that hangs while closing exits with 1 when ten seconds have passed', async () => {
    assert.deepEqual(await stoppedInTime(service(60_000), [0, 9_999, 1]), {
      code: 1,
      stdout: 'started\nstopping\nnot ready\n+0\n+9999\n+1\nstopped by force\n',
      stderr: '',
    })
  })

  for (const [config, delayMs] of [
    [{ ENVIRONMENT: 'production' }, 5_000],
    [{ ENVIRONMENT: 'staging' }, 5_000],
    [{ ENVIRONMENT: 'development', SHUTDOWN_DELAY_SECONDS: 12 }, 12_000],
  ] as const)
    it(`serves on for ${delayMs} ms before it closes with ${JSON.stringify(config)}`, async () => {
      const { code, stdout } = await stoppedInTime(service(0, config), [delayMs - 1, 1])
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
    const { code, stdout } = await stoppedInTime(
      service(60_000, { ENVIRONMENT: 'production' }),
      [5_000, 9_999, 1],
    )
    assert.equal(stdout, 'started\nstopping\nnot ready\n+5000\n+9999\n+1\nstopped by force\n')
    assert.equal(code, 1)
  })
})
