import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { createLogger, type LogConfig, type Logger, withoutRedaction } from '../../src/logging/logger.ts'
import type { PlainFields, PlainLines } from '../../src/logging/plain-lines.ts'
import { requestContext } from '../../src/request-context.ts'
import { fileConfig } from '../support/log-config.ts'

type Write = (logger: Logger) => void

/** The lines of the log. Their times are replaced, because they differ. */
const linesOf = async (write: Write, config: Partial<LogConfig> = {}, base: object = {}) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-plain-lines-'))
  const logger = await createLogger({ service: 'test-service', ...base }, fileConfig(folder.path, config))
  write(logger)
  await tick()
  const [path = 'no file'] = globSync(`${folder.path}/*`)
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/"time":"[^"]{24}"|^\[[\d:.]+\]/, 'TIME'))
}

/** Writes every line in both ways, and compares their bytes. Returns the plain lines. */
const assertEqualLines = async (
  write: (lines: PlainLines) => void,
  config: Partial<LogConfig> = {},
  base: object = {},
): Promise<readonly string[]> => {
  const lines = await linesOf(
    (logger) => {
      const [plain, byPino] = [withoutRedaction(logger), logger.child({}, { redact: [] })]
      const both = (level: keyof PlainLines) => (fields: PlainFields, message: string) => {
        plain[level](fields, message)
        byPino[level](fields, message)
      }
      write({ info: both('info'), debug: both('debug') })
    },
    config,
    base,
  )
  const plainLines = lines.filter((_, index) => index % 2 === 0)
  assert.deepEqual(
    plainLines,
    lines.filter((_, index) => index % 2 === 1),
  )
  return plainLines
}

const request: PlainFields = {
  request_id: 'req-1',
  client_request_id: undefined,
  method: 'GET',
  route: '/things/:id',
  path: undefined,
  status: 200,
  duration_ms: 1.23,
  cause: undefined,
}

describe('a plain line is the line that pino writes', () => {
  for (const format of ['json', 'text'] as const)
    it(`for a request, a call and an event, as ${format}`, async () => {
      const lines = await assertEqualLines(
        (log) => {
          log.info(request, 'request')
          log.info({ ...request, client_request_id: 'theirs', path: '/a?b', cause: 'down: "x"' }, 'request')
          log.info({ rpc: 'shop.Things/Get', status: 'OK', duration_ms: 0 }, 'call')
          log.info({ event: 'thing_updated', thing_id: 7, changed: ['a', 'b'], version: 3 }, 'thing updated')
          log.info({}, 'empty')
        },
        { format },
      )
      assert.equal(lines.length, 5)
    })

  it('with every kind of character', async () => {
    const texts = ['"\\/', 'a\nb\r\t\u0000\u001f\u007f\u009b', 'é日本🛒', '\u2028\u2029', '']
    await assertEqualLines((log) => {
      for (const text of texts) log.info({ path: text, changed: [text], [text]: 1 }, text)
    })
  })

  it('with numbers that JSON does not have', async () => {
    await assertEqualLines((log) => {
      for (const duration_ms of [Number.NaN, Number.POSITIVE_INFINITY, -0, 1e21, 5e-324])
        log.info({ duration_ms }, 'request')
    })
  })

  it('with the ids of the request, of joined requests and of the span, unless the line has its own', async () => {
    const context = { requestId: 'req-2', joinedIds: () => ['req-3', 'req-"4"'] }
    const spans = await spansOf(async () => {
      const [line] = await assertEqualLines((log) => {
        requestContext.run(context, () => log.info({ rpc: 'Get' }, 'call'))
        requestContext.run({ requestId: 'req-2' }, () => log.info(request, 'request'))
        void inRequest('traced', async () => log.info({ rpc: 'Get' }, 'in a trace'))
        void inRequest('traced', async () =>
          requestContext.run(context, () => log.info(request, 'in a trace')),
        )
      })
      assert.match(line ?? '', /"request_id":"req-2","joined_request_ids":\["req-3","req-\\"4\\""\]/)
    })
    assert.equal(spans.length, 2)
  })

  it('with the fields of the process', async () => {
    const [line] = await assertEqualLines((log) => log.info({}, 'one'), {}, { pid: 12, name: 'a "b"' })
    assert.match(line ?? '', /"service":"test-service","pid":12,"name":"a \\"b\\""/)
  })

  it('without the credentials of URLs', async () => {
    const [line] = await assertEqualLines((log) =>
      log.info({ cause: 'no connection to postgres://shop:hunter2@db/shop' }, 'request'),
    )
    assert.match(line ?? '', /postgres:\/\/\[Redacted\]@db/)
  })

  it('only if its level is enabled at that moment', async () => {
    const write = (log: PlainLines) => {
      log.info({}, 'one')
      log.debug({}, 'two')
    }
    for (const [level, count] of [
      ['trace', 2],
      ['debug', 2],
      ['info', 1],
    ] as const)
      assert.equal((await assertEqualLines(write, { level })).length, count)
    assert.deepEqual(await linesOf((logger) => write(withoutRedaction(logger)), { level: 'warn' }), [])
    const changed = await linesOf((logger) => {
      const log = withoutRedaction(logger)
      logger.level = 'warn'
      write(log)
      logger.level = 'debug'
      write(log)
    })
    assert.deepEqual(
      changed.map((line) => JSON.parse(line.replace('TIME', '"time":0')).msg),
      ['one', 'two'],
    )
  })

  it('in its place between the other lines', async () => {
    const lines = await linesOf((logger) => {
      logger.info('one')
      withoutRedaction(logger).info({}, 'two')
      logger.info('three')
    })
    assert.deepEqual(
      lines.map((line) => /"msg":"(.*)"/.exec(line)?.[1]),
      ['one', 'two', 'three'],
    )
  })
})

it('a logger that is not one of the service writes plain lines, too', () => {
  const { logger, lines } = recordingLogger()
  withoutRedaction(logger).info({ event: 'x' }, 'event')
  assert.deepEqual([lines[0]?.['event'], lines[0]?.['msg']], ['x', 'event'])
})
