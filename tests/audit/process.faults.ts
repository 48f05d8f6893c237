import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { startService } from '@shop/testing/services/services.ts'
import { smallDisk, withoutMounts } from '@shop/testing/stores/small-disk.ts'
import { pseudonymOf } from './support/services.ts'

const AUDIT_KEY = 'the key of the tests, of more than 32 bytes'

/** Starts a basket service on its embedded store that asks who calls. */
const start = async (variables: Readonly<Record<string, string>>) => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'audit-')))
  const office = newApiKey('office', 'baskets:any')
  writeFileSync(join(folder.path, 'keys'), office.line)
  const service = stack.use(
    await startService('basket', {
      AUTH: 'keys',
      API_KEYS_FILE: join(folder.path, 'keys'),
      DATA_DIR: join(folder.path, 'data'),
      LOG_DIR: folder.path,
      PRODUCT_SERVICE_URL: '127.0.0.1:1',
      ...variables,
    }),
  )
  const create = async (user: string): Promise<number> => {
    const { status } = await fetch(`${service.url}/baskets`, {
      method: 'POST',
      headers: { authorization: office.authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ user_id: user }),
    })
    return status
  }
  const linesIn = (text: string): Record<string, unknown>[] =>
    text
      .split('\n')
      .filter((line) => line.includes('"event":"audit'))
      .map((line) => JSON.parse(line))
  return {
    service,
    folder: folder.path,
    create,
    linesIn,
    scrape: async () => (await fetch(`${service.url}/metrics`)).text(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const ownersOf = (lines: readonly Record<string, unknown>[]) =>
  lines.map(({ target }) => (target as { owner?: string }).owner)

describe('the audit log of a process', () => {
  for (const WORKERS of ['1', '2'])
    it(`is on the console although LOG_LEVEL is fatal, with ${WORKERS} workers`, async () => {
      await using shop = await start({ LOG_LEVEL: 'fatal', LOG_FORMAT: 'text', AUDIT_KEY, WORKERS })
      const users = Array.from({ length: 20 }, (_, index) => `user${index}`)
      for (const user of users) assert.equal(await shop.create(user), 201)
      assert.equal(await shop.service.stop(), 0)
      const owners = ownersOf(shop.linesIn(shop.service.output()))
      assert.equal(owners.length, users.length)
      assert.deepEqual(new Set(owners), new Set(users.map(pseudonymOf)))
    })

  it('does not say which user without a key, and the log warns of that once', async () => {
    await using shop = await start({ LOG_FORMAT: 'json' })
    assert.equal(await shop.create('user123'), 201)
    assert.equal(await shop.service.stop(), 0)
    const [line, ...others] = shop.linesIn(shop.service.output())
    assert.deepEqual([line?.['target'], others], [{ type: 'basket' }, []])
    assert.equal(shop.service.output().split('AUDIT_KEY is not set').length, 2)
    assert.doesNotMatch(shop.service.output(), /user123/)
  })

  it('is in a file of its own beside the log file, which SIGHUP opens again', async () => {
    await using shop = await start({ LOG_OUTPUT: 'file', AUDIT_KEY })
    const file = join(shop.folder, 'basket-service.audit.log')
    const linesOf = (path: string) => shop.linesIn(readFileSync(path, 'utf8'))
    await shop.create('ann')
    renameSync(file, `${file}.1`)
    await shop.create('ben')
    shop.service.process.kill('SIGHUP')
    await eventually(10_000, async () => assert.equal(readFileSync(file, 'utf8'), ''))
    await shop.create('eve')
    assert.equal(await shop.service.stop(), 0)
    assert.deepEqual(ownersOf(linesOf(`${file}.1`)), [pseudonymOf('ann'), pseudonymOf('ben')])
    assert.deepEqual(ownersOf(linesOf(file)), [pseudonymOf('eve')])
    assert.deepEqual(shop.linesIn(readFileSync(join(shop.folder, 'basket-service.1.log'), 'utf8')), [])
  })

  it('has the lines of a process that was killed', async () => {
    await using shop = await start({ LOG_OUTPUT: 'file', AUDIT_KEY })
    for (let index = 0; index < 50; index++) assert.equal(await shop.create(`user${index}`), 201)
    const ended = once(shop.service.process, 'exit')
    shop.service.process.kill('SIGKILL')
    await ended
    const lines = shop.linesIn(readFileSync(join(shop.folder, 'basket-service.audit.log'), 'utf8'))
    // The last response was sent in the turn of the event loop at whose end its line is written.
    assert.ok(lines.length >= 49, `${lines.length} lines`)
  })

  it('on a full disk does not stop the service, which counts what waits', {
    skip: withoutMounts,
  }, async () => {
    await using disk = await smallDisk(64)
    await using shop = await start({ LOG_OUTPUT: 'both', LOG_DIR: disk.folder, AUDIT_KEY })
    for (let index = 0; index < 300; index++) assert.equal(await shop.create(`user${index}`), 201)
    const [, waiting] = /^audit_lines_waiting\S* (\d+)$/m.exec(await shop.scrape()) ?? []
    assert.ok(Number(waiting) > 0)
    assert.match(shop.service.output(), /audit lines cannot be written: ENOSPC/)
    assert.equal(await shop.service.stop(), 0)
    assert.match(shop.service.output(), new RegExp(`^${waiting} audit lines are lost$`, 'm'))
  })
})
