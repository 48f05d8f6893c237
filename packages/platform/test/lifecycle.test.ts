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
const service = (closingMs: number) => `${imports}
  await run(async () => {
    const open = setInterval(() => {}, 1_000)
    const stopped = untilStopped(logger)
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
      assert.deepEqual(await process.ended(), { code: 0, stdout: 'started\nstopping\nclosed\n', stderr: '' })
    })
  }

  it('that hangs while closing exits with 1 at once on a second signal, also of another kind', async () => {
    for (const second of ['SIGTERM', 'SIGINT'] as const) {
      await using process = startScript(service(60_000))
      await process.said('started')
      process.kill('SIGTERM')
      await process.said('stopping')
      process.kill(second)
      assert.deepEqual(await process.ended(), {
        code: 1,
        stdout: 'started\nstopping\nstopped by force\n',
        stderr: '',
      })
    }
  })

  it('that hangs while closing exits with 1 when ten seconds have passed', async () => {
    await using process = startScript(`
      import { mock } from 'node:test'
      mock.timers.enable({ apis: ['setTimeout'] })
      process.once('SIGTERM', async () => {
        await new Promise(setImmediate)
        mock.timers.tick(9_999)
        console.log('closing')
        mock.timers.tick(1)
      })
      ${service(60_000)}
    `)
    await process.said('started')
    process.kill('SIGTERM')
    assert.deepEqual(await process.ended(), {
      code: 1,
      stdout: 'started\nstopping\nclosing\nstopped by force\n',
      stderr: '',
    })
  })
})
