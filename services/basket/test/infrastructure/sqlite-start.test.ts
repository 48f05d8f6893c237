import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { lockData } from '../../src/infrastructure/adapters.ts'
import { ownFolder } from '../support/baskets.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** Runs the service on this folder until it exits. `limit` is the size of a file that it may write, in blocks. */
const runService = async (dataDir: string, limit = 'unlimited') => {
  const child = spawn('sh', ['-c', `ulimit -f ${limit}; exec "$@"`, 'sh', process.execPath, main], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', DATA_DIR: dataDir, PORT: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  child.stdout.resume()
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { stderr, code }
}

const cannotBeUsed = (path: string, reason: string) =>
  `${path} cannot be used (${reason}). Free disk space or make the folder writable, or set DATA_DIR to another folder.\n`

test('a damaged file ends the service with one line that says what to do', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  await writeFile(path, 'this is not a database; '.repeat(1_000))
  assert.deepEqual(await runService(folder.path), {
    stderr: `${path} cannot be opened as a database (file is not a database). If its data is not needed, delete it.\n`,
    code: 1,
  })
})

test('a file that cannot be opened ends the service with one line that says what to do', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite')
  await mkdir(path)
  assert.deepEqual(await runService(folder.path), {
    stderr: cannotBeUsed(path, 'unable to open database file'),
    code: 1,
  })
})

test('a disk without space ends the service with one line that says what to do', async () => {
  await using folder = await ownFolder()
  const path = join(folder.path, 'baskets.sqlite.lock')
  assert.deepEqual(await runService(folder.path, '0'), {
    stderr: cannotBeUsed(path, 'disk I/O error'),
    code: 1,
  })
})

test('a file that another instance uses ends the service with one line that says what to do', async () => {
  await using folder = await ownFolder()
  const file = join(folder.path, 'baskets.sqlite')
  using _ = lockData({ storage: { kind: 'embedded', file } })
  assert.deepEqual(await runService(folder.path), {
    stderr: `${file} is in use by another process; stop that process, or set DATA_DIR to another folder.\n`,
    code: 1,
  })
})

for (const folder of ['/sys/shop', '/proc/shop'])
  test(`a folder that cannot be created (${folder}) ends the service with one line that says what to do`, {
    skip:
      process.platform !== 'linux' && 'only Linux has a folder in which nothing can be created, even as root',
  }, async () => {
    const { stderr, code } = await runService(folder)
    assert.equal(code, 1)
    const path = `${folder}/baskets.sqlite.lock`
    assert.match(stderr, new RegExp(`^${path} cannot be used \\(.+mkdir '${folder}'\\)\\. .+\\n$`))
  })
