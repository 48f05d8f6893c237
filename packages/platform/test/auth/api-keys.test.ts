import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { openApiKeys } from '../../src/auth/api-keys.ts'
import { createHealth } from '../../src/health/health.ts'
import { checked } from '../support/checked.ts'

const ann = newApiKey('ann', 'read')
const bob = newApiKey('bob', 'read', 'write')

/** Opens the keys in a file that `write` replaces. `reread` runs the job once. */
const openKeys = async (text: string) => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'api-keys-')))
  const path = join(folder.path, 'keys')
  await writeFile(path, text)
  const { logger, lines } = recordingLogger()
  const { find, jobs, dependencies } = openApiKeys(path, logger)
  const verify = checked(find)
  const [job] = jobs
  assert.equal(job?.pauseMs, 1_000)
  const health = createHealth('test-service', '1.0.0', dependencies)
  const opened = stack.move()
  return {
    folder: folder.path,
    path,
    verify,
    lines,
    reread: async () => job?.work(new AbortController().signal),
    write: (next: string) => writeFile(path, next),
    check: async () => (await health.report()).checks['api-keys'],
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const isUnknown = hasCode('unauthenticated')

describe('API keys', () => {
  it('name their holder and the scopes', async () => {
    await using keys = await openKeys(ann.line + bob.line)
    assert.deepEqual(keys.verify(bob.key), {
      kind: 'machine',
      name: 'bob',
      scopes: new Set(['read', 'write']),
    })
    assert.deepEqual(keys.verify(ann.key), { kind: 'machine', name: 'ann', scopes: new Set(['read']) })
  })

  it('that are not in the file are refused, also if they differ in one character or in case', async () => {
    await using keys = await openKeys(ann.line)
    const { key } = ann
    const last = key.endsWith('A') ? 'E' : 'A'
    for (const wrong of [
      bob.key,
      key.slice(0, -1) + last,
      key.slice(0, -1),
      `${key}A`,
      key.toUpperCase(),
      'shop_',
      `shop_${key}`,
      ann.line.split(' ')[1] ?? '',
      `shop_${(ann.line.split(' ')[1] ?? '').slice(0, 43)}`,
    ])
      assert.throws(() => keys.verify(wrong), isUnknown)
  })

  it('that somebody has chosen are refused, although their SHA-256 is in the file', async () => {
    for (const chosen of ['shop_letmein', `shop_${'x'.repeat(44)}`, `key_${'x'.repeat(43)}`]) {
      await using keys = await openKeys(`chosen ${hash('sha256', chosen)} read\n`)
      assert.throws(() => keys.verify(chosen), isUnknown)
    }
  })

  it('are refused without an error of their own, because a flood would capture as many stacks', async () => {
    await using keys = await openKeys(ann.line)
    const errorOf = (key: string) => {
      try {
        return keys.verify(key)
      } catch (error) {
        return error
      }
    }
    assert.equal(errorOf(bob.key), errorOf(newApiKey('eve').key))
  })
})

describe('the file of API keys', () => {
  it('is read again: new keys are known, removed ones are not', async () => {
    await using keys = await openKeys(ann.line)
    await keys.write(bob.line)
    await keys.reread()
    assert.equal(keys.verify(bob.key).kind, 'machine')
    assert.throws(() => keys.verify(ann.key), isUnknown)
    await keys.write('# none\n')
    await keys.reread()
    assert.throws(() => keys.verify(bob.key), isUnknown)
  })

  it('is read again if a key lost a scope', async () => {
    await using keys = await openKeys(bob.line)
    await keys.write(bob.line.replace(' write', ''))
    await keys.reread()
    assert.deepEqual(keys.verify(bob.key), { kind: 'machine', name: 'bob', scopes: new Set(['read']) })
  })

  it('may be a link that is replaced, or lie behind one, as in Kubernetes', async () => {
    await using keys = await openKeys(ann.line)
    const at = (...path: string[]) => join(keys.folder, ...path)
    for (const [folder, { line }] of [
      ['1', ann],
      ['2', bob],
    ] as const) {
      await mkdir(at(folder))
      await writeFile(at(folder, 'keys'), line)
    }
    await symlink('1', at('data'))
    await symlink(join('data', 'keys'), at('link'))
    const { find, jobs } = openApiKeys(at('link'), recordingLogger().logger)
    const verify = checked(find)
    assert.equal(verify(ann.key).kind, 'machine')
    await symlink('2', at('new-data'))
    await rename(at('new-data'), at('data'))
    await jobs[0]?.work(new AbortController().signal)
    assert.equal(verify(bob.key).kind, 'machine')
    assert.throws(() => verify(ann.key), isUnknown)
  })

  it('that breaks a rule or is missing changes nothing, and is logged once, without what is in it', async () => {
    await using keys = await openKeys(ann.line)
    const broken = `${ann.line}mallory ${bob.key} read\n`
    for (const [change, problem] of [
      [() => keys.write(broken), 'API_KEYS_FILE line 2 must have, after the name, the SHA-256 of the key'],
      [() => keys.write(''), 'API_KEYS_FILE must not be empty'],
      [() => rm(keys.path), 'API_KEYS_FILE must name an existing file'],
      [() => mkdir(keys.path), 'API_KEYS_FILE must name a file, not a folder'],
    ] as const) {
      const before = keys.lines.length
      await change()
      for (let count = 0; count < 3; count++) await keys.reread()
      assert.equal(keys.verify(ann.key).kind, 'machine')
      const [line, ...others] = keys.lines.slice(before)
      assert.deepEqual(others, [], problem)
      assert.equal(line?.['level'], 50)
      assert.ok(JSON.stringify(line?.['problems']).includes(problem), JSON.stringify(line))
      const { status, reason } = (await keys.check()) ?? {}
      assert.deepEqual(
        [status, reason],
        ['down', 'the file of API keys is not valid: the keys read before are used'],
      )
    }
    await rm(keys.path, { recursive: true })
    await keys.write(ann.line + bob.line)
    await keys.reread()
    assert.equal(keys.verify(bob.key).kind, 'machine')
    assert.equal((await keys.check())?.status, 'up')
    assert.doesNotMatch(JSON.stringify(keys.lines), new RegExp(`${bob.key}|mallory|[0-9a-f]{64}`))
  })

  it('that is larger than 1 MiB is refused', async () => {
    const comment = `#${'x'.repeat(1024 * 1024)}\n`
    await assert.rejects(openKeys(comment), /API_KEYS_FILE must name a file of at most 1048576 bytes/)
    await using keys = await openKeys(ann.line)
    await keys.write(comment + bob.line)
    await keys.reread()
    assert.equal(keys.verify(ann.key).kind, 'machine')
  })
})
