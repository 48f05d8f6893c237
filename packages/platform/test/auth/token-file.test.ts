import assert from 'node:assert/strict'
import { mkdir, mkdtempDisposable, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { mustBeTokenFile, openTokenFile } from '../../src/auth/token-file.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { startJobs } from '../../src/process/jobs.ts'

const variable = 'TOKEN_FILE'
const abort = new AbortController().signal

const unusable: Readonly<Record<string, string>> = {
  empty: '',
  'an empty line': '\n',
  'two tokens': 'one\ntwo\n',
  'a scheme before it': 'Bearer abc',
  'a control character': 'abc\u0007',
  'a letter that no token has': 'abcé',
  'too long': 'x'.repeat(8_193),
  'padding within': 'ab=c',
}

describe('a file with a token', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'token-'))
  after(() => folder.remove())
  const path = join(folder.path, 'token')
  const write = (text: string) => writeFile(path, text)

  it('has one token, with or without a newline at the end', async () => {
    for (const token of ['shop_0123456789abcdef', 'ey.J-_~+/x==', 'x'.repeat(8_192)])
      for (const end of ['', '\n', '\r\n']) {
        await write(token + end)
        assert.equal(mustBeTokenFile(variable, path), false)
        assert.equal(openTokenFile({ variable, path }, silentLogger).token(), token)
      }
    assert.equal(mustBeTokenFile(variable, undefined), false)
  })

  it('that cannot be used is a problem that names the variable and the rule, and no content', async () => {
    for (const [name, text] of Object.entries(unusable)) {
      await write(text)
      const problem = String(mustBeTokenFile(variable, path))
      assert.match(
        problem,
        /^TOKEN_FILE must name a file (that is not empty|with one API key or token)/,
        name,
      )
      assert.ok(!/abc|two|xxx/.test(problem), problem)
      assert.throws(() => openTokenFile({ variable, path }, silentLogger), { message: problem })
    }
    assert.equal(mustBeTokenFile(variable, join(path, 'none')), 'TOKEN_FILE must name an existing file')
    assert.match(String(mustBeTokenFile(variable, folder.path)), /not a folder, pipe or device/)
  })

  it('is read again by a job, also where a link is replaced as Kubernetes does it', async () => {
    for (const version of ['1', '2']) {
      await mkdir(join(folder.path, version))
      await writeFile(join(folder.path, version, 'key'), `token-${version}`)
    }
    const data = join(folder.path, '..data')
    await symlink('1', data)
    const { logger, lines } = recordingLogger()
    const file = openTokenFile({ variable, path: join(data, 'key') }, logger)
    await file.job.work(abort)
    assert.equal(file.token(), 'token-1')
    assert.equal(lines.length, 0)
    await symlink('2', join(folder.path, '..new'))
    await rename(join(folder.path, '..new'), data)
    await file.job.work(abort)
    assert.equal(file.token(), 'token-2')
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['using the new token in the file'],
    )
  })

  it('that breaks later keeps the last token, and is logged once until it is whole again', async () => {
    await write('first')
    const { logger, lines } = recordingLogger()
    const file = openTokenFile({ variable, path }, logger)
    await using _ = startJobs([{ ...file.job, pauseMs: 5 }], { logger, metrics: createMetrics('test', '0') })
    for (const breakFile of [() => write(''), () => rm(path), () => write('second\nthird')]) {
      await breakFile()
      await eventually(5_000, async () => assert.ok(lines.length > 0))
      await delay(30)
      assert.equal(lines.length, 1)
      assert.equal(file.token(), 'first')
    }
    assert.equal(
      lines[0]?.['cause'],
      'TOKEN_FILE must name a file that is not empty. The last token is still used',
    )
    await write('second')
    await eventually(5_000, async () => assert.equal(file.token(), 'second'))
    await rm(path)
    await eventually(5_000, async () => assert.equal(lines.length, 3))
    assert.doesNotMatch(JSON.stringify(lines), /first|second|third/)
  })
})
