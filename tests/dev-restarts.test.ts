import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { startWatched } from '../scripts/dev/watched-service.ts'

/** A program that appends a letter to a file, and runs until it is stopped. */
const runs = (letter: string, file: string) =>
  `import fs from 'node:fs'; fs.appendFileSync(${JSON.stringify(file)}, '${letter}'); setInterval(() => {}, 1_000)`

/** A program that has appended a letter to a file, and in which no handler of a signal ever runs. */
const hangs = (letter: string, file: string) =>
  `import fs from 'node:fs'; process.on('SIGTERM', () => {}); fs.appendFileSync(${JSON.stringify(file)}, '${letter}'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)`

/** Starts a program with this source, in a folder of its own. */
const startProgram = async (source: (started: string) => string) => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'shop-dev-'))
  const sources = join(folder.path, 'src')
  const [main, started] = [join(sources, 'main.mjs'), join(folder.path, 'started')]
  mkdirSync(sources)
  writeFileSync(main, source(started))
  const service = startWatched({ name: 'toy', main, folders: [sources] }, { PATH: process.env['PATH'] }, 500)
  return {
    ...service,
    edit: (text: string) => writeFileSync(main, text),
    started,
    starts: () => (existsSync(started) ? readFileSync(started, 'utf8') : ''),
    [Symbol.asyncDispose]: async () => {
      await service.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

describe('a service under make dev', () => {
  it('that ends before it was up fails at once, with its exit code and its message', async () => {
    await using service = await startProgram(() => `console.error('the folder is in use'); process.exit(3)`)
    await assert.rejects(service.failed, {
      message: 'The toy service has ended (exit code 3): the folder is in use',
    })
  })

  it('that cannot be loaded fails with the message of the error, without the stack', async () => {
    await using service = await startProgram(() => 'this is no program(')
    await assert.rejects(service.failed, {
      message: /^The toy service has ended \(exit code 1\): SyntaxError.*: .+$/,
    })
  })

  it('that was up restarts when its files change, and waits for the next change after it has ended', async ({
    mock,
  }) => {
    let output = ''
    mock.method(process.stderr, 'write', (text: string | Buffer) => {
      output += String(text)
      return true
    })
    await using service = await startProgram((file) => runs('a', file))
    await eventually(20_000, async () => assert.equal(service.starts(), 'a'))
    service.setUp()
    service.edit('a syntax error(')
    const waits = 'The toy service has ended (exit code 1); waiting for a change of its files.\n'
    await Promise.race([service.failed, eventually(20_000, async () => assert.ok(output.includes(waits)))])
    service.edit(runs('b', service.started))
    await eventually(20_000, async () => assert.equal(service.starts(), 'ab'))
  })

  it('that does not end on SIGTERM is killed when its files change', async () => {
    await using service = await startProgram((file) => hangs('a', file))
    await eventually(20_000, async () => assert.equal(service.starts(), 'a'))
    service.edit(runs('b', service.started))
    await eventually(20_000, async () => assert.equal(service.starts(), 'ab'))
  })

  it('runs although its files cannot be watched', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-dev-'))
    const [main, started] = [join(folder.path, 'main.mjs'), join(folder.path, 'started')]
    writeFileSync(main, runs('a', started))
    const service = startWatched({ name: 'toy', main, folders: [join(folder.path, 'missing')] }, {}, 500)
    try {
      await eventually(20_000, async () => assert.equal(readFileSync(started, 'utf8'), 'a'))
    } finally {
      await service.stop()
    }
  })

  it('ends with the process that started it, even if that crashes', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-dev-'))
    const main = join(folder.path, 'main.mjs')
    writeFileSync(main, 'setInterval(() => {}, 1_000); console.log(process.pid)')
    const watched = pathToFileURL(join(root, 'scripts/dev/watched-service.ts')).href
    const crash = `import { startWatched } from '${watched}'
      startWatched({ name: 'toy', main: ${JSON.stringify(main)}, folders: [${JSON.stringify(folder.path)}] }, process.env, 500)
      setTimeout(() => { throw new Error('a crash') }, 1_000)`
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', crash], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(status, 1)
    const pid = Number(stdout)
    assert.ok(pid > 0, stdout)
    await eventually(20_000, async () => assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }))
  })
})
