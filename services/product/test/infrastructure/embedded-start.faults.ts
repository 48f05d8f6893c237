import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { listAll, main, open, runService, temporaryFolder } from '../support/embedded.ts'

/** Starts the service on this folder, and kills it as soon as the file exists in the database's folder. */
const killWhenExists = async (dataDir: string, file: string) => {
  using child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', DATA_DIR: dataDir },
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  while (child.exitCode === null && !existsSync(join(dataDir, 'products', file))) await delay(1)
  child.kill('SIGKILL')
  await exited
}

// At first, a part of the files exists. PG_VERSION is one of the last files of the archive.
for (const [file, times] of [
  ['global', 1],
  ['PG_VERSION', 3],
] as const)
  test(`a service that is killed during the first start, when ${file} exists, starts again`, async () => {
    for (let n = 0; n < times; n++) {
      await using folder = await temporaryFolder()
      await killWhenExists(folder.path, file)
      await using adapters = await open(folder.path)
      assert.equal((await listAll(adapters)).length, 10)
    }
  })

test('a folder that is no database ends the service with one line that says what to do', async () => {
  await using folder = await temporaryFolder()
  await (await open(folder.path))[Symbol.asyncDispose]()
  await rm(join(folder.path, 'products', 'global', 'pg_control'))
  const { code, stderr } = await runService(folder.path)
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^.+products cannot be opened as a database \(.+\)\. If its data is not needed, delete it\.\n$/,
  )
})

for (const [condition, limit] of [
  ['without space', '0'],
  // The files of a new database are larger, but not that of the lock.
  ['that fills up during the first start', '2048'],
] as const)
  test(`a disk ${condition} ends the service with one line that says what to do`, async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await runService(folder.path, limit)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^.+products(\.lock)? cannot be used \(.+\)\. Free disk space or make the folder writable, or set DATA_DIR to another folder\.\n$/,
    )
  })
