import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, rename, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { startService } from '@shop/testing/services/services.ts'

/** Starts a service that cannot start, with these variables. Resolves with its exit code and standard error. */
const failedStart = async (service: 'product' | 'basket', environment: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [join(root, `services/${service}/src/main.ts`)], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  })
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { code, problems: stderr.split('\n').filter((line) => line.startsWith('  - ')) }
}

const ann = newApiKey('ann', 'baskets:any')
const bob = newApiKey('bob', 'baskets:any')

describe('a service in production', () => {
  for (const service of ['product', 'basket'] as const)
    it(`does not start without AUTH: ${service}`, async () =>
      assert.deepEqual(await failedStart(service, { ENVIRONMENT: 'production' }), {
        code: 78,
        problems: [
          '  - AUTH must be set in production: keys, jwt, or off, which lets everybody do everything',
        ],
      }))

  it('does not start with a file of API keys that breaks rules, and says all of them, but not what is in it', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'broken-keys-'))
    const file = join(folder.path, 'keys')
    await writeFile(file, `# keys\n${ann.line}ann ${bob.key} baskets:any\n`)
    const { code, problems } = await failedStart('basket', { AUTH: 'keys', API_KEYS_FILE: file })
    assert.equal(code, 78)
    assert.deepEqual(problems, [
      '  - API_KEYS_FILE line 3 must have, after the name, the SHA-256 of the key as 64 hexadecimal digits, not the key itself',
      '  - API_KEYS_FILE line 3 must not have the same name as line 2',
    ])
  })

  it('with AUTH=off warns once at its start, whatever the number of workers', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'open-'))
    await using basket = await startService('basket', {
      ENVIRONMENT: 'production',
      AUTH: 'off',
      STORAGE: 'embedded',
      DATA_DIR: folder.path,
      WORKERS: '2',
      SHUTDOWN_DELAY_SECONDS: '0',
    })
    assert.deepEqual(
      basket
        .output()
        .split('\n')
        .filter((line) => line.includes('AUTH is off'))
        .map((line) => JSON.parse(line).level),
      ['warn'],
    )
  })
})

it('all workers read the file of API keys again, also when a link is replaced, and keep the keys while it is broken', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'workers-keys-'))
  const at = (name: string) => join(folder.path, name)
  await writeFile(at('first'), ann.line)
  await writeFile(at('second'), bob.line)
  await symlink('first', at('keys'))
  await using basket = await startService('basket', {
    STORAGE: 'embedded',
    DATA_DIR: at('data'),
    WORKERS: '2',
    AUTH: 'keys',
    API_KEYS_FILE: at('keys'),
  })
  /** The statuses of twenty requests, each over a connection of its own, so that both workers serve some. */
  const statusesOf = async ({ authorization }: Readonly<{ authorization: string }>) => {
    const statuses = new Set<number>()
    for (let count = 0; count < 20; count++) {
      const headers = { authorization, connection: 'close' }
      statuses.add((await request('GET', `${basket.url}/baskets/user123`, undefined, headers)).status)
    }
    return [...statuses]
  }
  assert.deepEqual(await statusesOf(ann), [404])
  assert.deepEqual(await statusesOf(bob), [401])

  await symlink('second', at('new'))
  await rename(at('new'), at('keys'))
  const replacedAt = performance.now()
  await eventually(10_000, async () => {
    assert.deepEqual(await statusesOf(ann), [401])
    assert.deepEqual(await statusesOf(bob), [404])
  })
  assert.ok(performance.now() - replacedAt < 5_000)

  await writeFile(at('second'), `bob ${bob.key} baskets:any\n`)
  await delay(2_500)
  assert.deepEqual(await statusesOf(bob), [404])
  const health = (await request('GET', `${basket.url}/health`)).body
  assert.equal(health.checks['api-keys'].status, 'down')
  const errors = basket
    .output()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'))
  assert.equal(errors.length, 2, 'one for each worker')
  for (const line of errors) assert.match(line, /API_KEYS_FILE line 1 must have, after the name, the SHA-256/)
  for (const { key, line } of [ann, bob])
    for (const secret of [key, line.split(' ')[1] ?? '']) assert.ok(!basket.output().includes(secret))
})
