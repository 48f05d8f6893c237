import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtempDisposable, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { runProgram, startProgram } from '@shop/testing/services/program.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { usesColors } from '../../src/logging/output.ts'
import { fileConfig } from '../support/log-config.ts'
import { withoutScript } from '../support/terminal.ts'

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-log-'))
const namesIn = (folder: string) =>
  globSync(`${folder}/*`)
    .map((path) => basename(path))
    .toSorted()

const almostFull = 50 * 1024 * 1024 - 1

/** Creates `shop.<number>.log` one byte below the size limit, so that the next line is its last. */
const fill = (folder: string, number: number) => {
  const file = join(folder, `shop.${number}.log`)
  writeFileSync(file, '')
  truncateSync(file, almostFull)
}

const logInto = (folder: string) => createLogger({ service: 'shop' }, fileConfig(folder))

const program = (name: string) => new URL(`./programs/${name}.ts`, import.meta.url)

describe('a log file', () => {
  it('that reaches 50 MB is followed by the next one', async () => {
    await using folder = await temporaryFolder()
    fill(folder.path, 1)
    const logger = await logInto(folder.path)
    logger.info('the last of the first file')
    await eventually(20_000, async () => assert.deepEqual(namesIn(folder.path), ['shop.1.log', 'shop.2.log']))
    logger.info('the first of the second file')
    await tick()
    assert.match(
      readFileSync(join(folder.path, 'shop.2.log'), 'utf8'),
      /^\{.*the first of the second file"\}\n$/,
    )
  })

  it('is deleted when five newer ones exist in addition to the current one, even if an earlier process wrote it', async () => {
    await using folder = await temporaryFolder()
    for (const number of [1, 2, 3, 4, 5, 6]) fill(folder.path, number)
    const logger = await logInto(folder.path)
    logger.info('the last of the sixth file')
    const kept = [2, 3, 4, 5, 6, 7].map((number) => `shop.${number}.log`)
    await eventually(20_000, async () => assert.deepEqual(namesIn(folder.path), kept))
  })

  it('that cannot be opened is reported on the console, which receives the log lines instead', async () => {
    await using folder = await temporaryFolder()
    // A folder in place of the file: permissions would not stop tests that run as root.
    await mkdir(join(folder.path, 'shop.1.log'))
    const { code, stdout } = await runProgram(program('log-two-lines'), 'file', folder.path, 'json')
    assert.equal(code, 0)
    assert.match(
      stdout,
      /"msg":"the log file cannot be opened; logging to the console instead"\}\n.*"msg":"first"\}\n.*"msg":"last"\}\n$/,
    )
    assert.match(stdout, /EISDIR/)
  })

  it('in a folder below /proc is reported on the console, which receives the log lines instead', {
    skip: process.platform !== 'linux' && 'only Linux has /proc',
  }, async () => {
    const { code, stdout } = await runProgram(program('log-two-lines'), 'file', '/proc/shop', 'json')
    assert.equal(code, 0)
    assert.match(stdout, /mkdir '\/proc\/shop'.*the log file cannot be opened.*\n.*"first"\}\n.*"last"\}\n$/)
  })
})

const manyLines = program('log-many-lines')

for (const format of ['json', 'text'])
  describe(`a process that logs ${format} keeps running`, () => {
    it('when the disk of its log file is full, and does not keep all lost lines in memory', async () => {
      await using folder = await temporaryFolder()
      await symlink('/dev/full', join(folder.path, 'shop.1.log'))
      const { code, stderr } = await runProgram(manyLines, format, 'file', folder.path)
      assert.equal(code, 0, stderr)
      const [first, last, ...more] = stderr.trim().split('\n')
      assert.match(first ?? '', /^the log file cannot be written: Error: ENOSPC/)
      const [, growth] = /^still running, memory grew by (-?\d+) MB$/.exec(last ?? '') ?? []
      assert.deepEqual(more, [])
      assert.ok(Number(growth) < 80, `memory grew by ${growth} MB for 100 MB of lines`)
    })

    it('when the disk of its standard output is full', async () => {
      await using folder = await temporaryFolder()
      const { code, stderr } = await runProgram(
        program('onto-full-disk'),
        fileURLToPath(manyLines),
        format,
        'console',
        folder.path,
      )
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^standard output cannot be written: Error: ENOSPC.*\nstill running, .*\n$/)
    })

    it('when the reader of its standard output closes it', async () => {
      await using folder = await temporaryFolder()
      await using script = startProgram(manyLines, format, 'console', folder.path)
      await script.waitForOutput('served')
      script.closeOutput()
      const { code, stderr } = await script.waitForExit()
      assert.equal(code, 0, stderr)
      assert.match(stderr, /^standard output cannot be written: Error: write EPIPE\nstill running, .*\n$/)
    })
  })

describe('colors', () => {
  it('are used on a terminal that can show them, unless NO_COLOR is set and not empty', () => {
    const [terminal, pipe] = [{ isTTY: true }, {}]
    assert.ok(usesColors(terminal, { TERM: 'xterm' }))
    assert.ok(usesColors(terminal, { NO_COLOR: '' }))
    for (const variables of [{ NO_COLOR: '1' }, { NO_COLOR: 'false' }, { TERM: 'dumb' }])
      assert.ok(!usesColors(terminal, variables))
    assert.ok(!usesColors(pipe, { TERM: 'xterm', FORCE_COLOR: '1' }))
  })

  it('are not in the lines of a terminal with NO_COLOR', { skip: withoutScript }, async () => {
    await using folder = await temporaryFolder()
    const command = `'${process.execPath}' '${fileURLToPath(program('log-two-lines'))}' console '${folder.path}' text`
    const linesWith = async (NO_COLOR: string) => {
      const env = { PATH: process.env['PATH'], TERM: 'xterm', NO_COLOR }
      const run = promisify(execFile)('script', ['-qec', command, '/dev/null'], { env })
      run.child.stdin?.end()
      return (await run).stdout
    }
    assert.ok((await linesWith('')).includes('\u001B[32mINFO'))
    const plain = await linesWith('1')
    assert.match(plain, /INFO: test-service: first/)
    assert.ok(!plain.includes('\u001B'))
  })
})
