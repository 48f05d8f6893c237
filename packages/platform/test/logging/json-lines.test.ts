import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { createLogger, jsonLines, type Logger } from '../../src/logging/logger.ts'
import { jsonText } from '../../src/logging/plain-lines.ts'
import { withoutUrlCredentials } from '../../src/url-credentials.ts'
import { fileConfig } from '../support/log-config.ts'

/** The lines of the log, without the last one, which makes the others wait no longer. */
const linesOf = async (write: (logger: Logger) => unknown): Promise<readonly Record<string, unknown>[]> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-json-lines-'))
  const logger = await createLogger({ service: 'test-service' }, fileConfig(folder.path))
  await write(logger)
  logger.error('end')
  await tick()
  const [path = 'no file'] = globSync(`${folder.path}/*`)
  const lines = readFileSync(path, 'utf8').trim().split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line))
}

describe('a text as JSON', () => {
  const characters = Array.from({ length: 0x1_00 }, (_, code) => String.fromCharCode(code))

  it('is that of JSON.stringify, for every character', () => {
    for (const text of [...characters, '', '\u2028', '😀', '\ud800', 'a:b', '/things/:id', ':/', 'a:'])
      assert.equal(jsonText(`a${text}b`), JSON.stringify(`a${text}b`))
  })

  it('has no credentials of URLs', () => {
    for (const text of [
      'redis://user:secret@host',
      'a:b postgres://u:secret@h/d',
      '://secret@h',
      'a"://u:secret@h',
    ]) {
      assert.equal(jsonText(text), withoutUrlCredentials(JSON.stringify(text), 'json'))
      assert.doesNotMatch(jsonText(text), /secret/)
    }
  })
})

describe('a line of JSON', () => {
  it('has the fields of every line, in its place between the others', async () => {
    const lines = await linesOf((logger) => {
      logger.info('one')
      jsonLines(logger).info('"status":200', 'two')
      logger.info('three')
    })
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      ['one', 'two', 'three'],
    )
    const { time, ...line } = lines[1] ?? {}
    assert.deepEqual(line, { level: 'info', service: 'test-service', status: 200, msg: 'two' })
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('has the ids of the span', async () => {
    let lines: readonly Record<string, unknown>[] = []
    const [span] = await spansOf(async () => {
      lines = await linesOf((logger) =>
        inRequest('request', async () => jsonLines(logger).info('"status":200', 'request')),
      )
    })
    assert.equal(lines[0]?.['trace_id'], span?.traceId)
    assert.equal(lines[0]?.['status'], 200)
  })

  it('is written only if its level is enabled', async () => {
    assert.deepEqual(await linesOf((logger) => jsonLines(logger).debug('"status":200', 'request')), [])
  })

  it('is written by a logger that is not one of the service, too', () => {
    const { logger, lines } = recordingLogger()
    jsonLines(logger).info('"status":200', 'request')
    assert.deepEqual([lines[0]?.['status'], lines[0]?.['msg']], [200, 'request'])
  })
})
