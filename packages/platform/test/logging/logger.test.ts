import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { runProgram } from '@shop/testing/services/program.ts'
import { createLogger, type LogConfig, type Logger } from '../../src/logging/logger.ts'
import { requestContext } from '../../src/request-context.ts'
import { fileConfig } from '../support/log-config.ts'

type Line = Record<string, unknown>

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-log-'))

/** Returns the name and the content of the log file. */
const logFile = async (config: Partial<LogConfig>, write: (logger: Logger) => void) => {
  await using folder = await temporaryFolder()
  const file = fileConfig(join(folder.path, 'logs'), config)
  write(await createLogger({ service: 'test-service' }, file))
  await tick()
  const [path = 'no file', ...others] = globSync(`${file.folder}/*`)
  assert.deepEqual(others, [])
  return { name: basename(path), text: readFileSync(path, 'utf8') }
}

const linesOf = async (config: Partial<LogConfig>, write: (logger: Logger) => void): Promise<Line[]> => {
  const { text } = await logFile(config, write)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const logEachLevel = (logger: Logger) => {
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) logger[level](level)
}
const levelsOf = async (config: Partial<LogConfig>) =>
  (await linesOf(config, logEachLevel)).map(({ level }) => level)

const logStart = (logger: Logger) => logger.info('started')

const filesIn = (folder: string) => globSync(`${folder}/*`).map((path) => readFileSync(path, 'utf8'))

describe('a log line', () => {
  it('in JSON has time, level, service and message', async () => {
    const { text } = await logFile({}, (logger) => logger.info({ port: 8080 }, 'started'))
    const { time, ...rest } = JSON.parse(text) as Line
    assert.deepEqual(rest, { level: 'info', service: 'test-service', port: 8080, msg: 'started' })
    assert.equal(new Date(String(time)).toISOString(), time)
  })

  it('in text format is human-readable', async () => {
    const { text } = await logFile({ format: 'text' }, (logger) => logger.info({ port: 8080 }, 'started'))
    assert.match(text, /^\[[\d:.]+\] INFO: test-service: started \{"port":8080\}\n$/)
  })

  it('in text format is one line, whatever its message contains', async () => {
    const { text } = await logFile({ format: 'text' }, (logger) =>
      logger.info('a\n[05:00:00.000] INFO: test-service: forged \u001B[31m \u009B31m'),
    )
    assert.match(text, /: a\\u000a\[05.* forged \\u001b\[31m \\u009b31m\n$/)
    assert.equal(text.trim().split('\n').length, 1)
  })

  it('in text format contains the outcome of a request or call', async () => {
    const { text } = await logFile({ format: 'text' }, (logger) => {
      const http = { method: 'GET', route: '/things/:id', status: 200, duration_ms: 1.23 }
      logger.info({ request_id: 'req-1', ...http }, 'request')
      logger.info({ rpc: 'shop.Things/Get', status: 'OK', duration_ms: 0 }, 'call')
    })
    const [request, call] = text.trim().split('\n')
    assert.match(
      request ?? '',
      /\] INFO: test-service: request GET \/things\/:id 200 1\.23 ms \{"request_id":"req-1"\}$/,
    )
    assert.match(call ?? '', /\] INFO: test-service: call shop\.Things\/Get OK 0 ms$/)
  })

  it('is written if its level is at least the configured level', async () => {
    assert.deepEqual(await levelsOf({ level: 'debug' }), ['debug', 'info', 'warn', 'error', 'fatal'])
    assert.deepEqual(await levelsOf({ level: 'info' }), ['info', 'warn', 'error', 'fatal'])
    assert.deepEqual(await levelsOf({ level: 'error' }), ['error', 'fatal'])
    assert.equal((await levelsOf({ level: 'trace' })).length, 6)
  })

  it('has the id of its own request only', async () => {
    const lines = await linesOf({}, (logger) => {
      requestContext.run({ requestId: 'req-1' }, () => logger.info('one'))
      requestContext.run({ requestId: 'req-2' }, () => logger.info('two'))
      logger.info('outside')
    })
    assert.deepEqual(
      lines.map(({ msg, request_id }) => [msg, request_id]),
      [
        ['one', 'req-1'],
        ['two', 'req-2'],
        ['outside', undefined],
      ],
    )
  })

  it('has the ids of other requests that wait for the same result', async () => {
    const lines = await linesOf({}, (logger) => {
      requestContext.run({ requestId: 'req-1', joinedIds: () => ['req-2', 'req-3'] }, () =>
        logger.info('several'),
      )
      requestContext.run({ requestId: 'req-4', joinedIds: undefined }, () => logger.info('one'))
    })
    assert.deepEqual(
      lines.map(({ request_id, joined_request_ids }) => [request_id, joined_request_ids]),
      [
        ['req-1', ['req-2', 'req-3']],
        ['req-4', undefined],
      ],
    )
  })

  it('has the ids of its trace and its span', async () => {
    let lines: Line[] = []
    const spans = await spansOf(async () => {
      lines = await linesOf({}, (logger) => {
        void inRequest('request', async () => logger.info('one'))
        logger.info('outside')
      })
    })
    assert.deepEqual(
      lines.map(({ msg, trace_id, span_id }) => [msg, trace_id, span_id]),
      [
        ['one', spans[0]?.traceId, spans[0]?.id],
        ['outside', undefined, undefined],
      ],
    )
  })

  it('contains the code, stack and causes of an error', async () => {
    const error = new AppError('unavailable', 'too slow', { cause: new Error('socket closed') })
    const { text } = await logFile({}, (logger) => logger.error({ err: error }, 'failed'))
    const { err } = JSON.parse(text)
    assert.deepEqual([err.message, err.code, err.cause.message], ['too slow', 'unavailable', 'socket closed'])
    assert.match(err.stack, /^AppError: too slow\n +at /)
  })

  it('never contains credentials, at the top level or nested', async () => {
    const credentials = {
      DB_PASSWORD: 'hunter2',
      DATABASE_URL: 'postgres://shop:hunter2@db/shop',
      DB_REPLICA_URL: 'postgres://shop:hunter2@replica/shop',
      REDIS_PASSWORD: 'hunter2',
      REDIS_URL: 'redis://:hunter2@redis',
      password: 'hunter2',
      authorization: 'Bearer hunter2',
      cookie: 'session=hunter2',
    }
    const secrets = ['DB_PASSWORD', 'DATABASE_URL', 'DB_REPLICA_URL', 'REDIS_PASSWORD', 'REDIS_URL']
    for (const format of ['json', 'text'] as const) {
      const { text } = await logFile({ format, secrets }, (logger) => {
        logger.info({ ...credentials, DB_HOST: 'db' }, 'flat')
        logger.info({ config: credentials, headers: credentials }, 'nested')
      })
      assert.doesNotMatch(text, /hunter2/)
      assert.match(text, /DB_HOST/)
      assert.match(text, /nested/)
    }
  })
})

describe('the log', () => {
  const program = new URL('./programs/log-two-lines.ts', import.meta.url)

  for (const format of ['text', 'json']) {
    it(`reaches the console, a file or both as ${format}, including the last line before the exit`, async () => {
      const complete = /first.*\n.*last.*\n$/
      await using folder = await temporaryFolder()

      const onConsole = await runProgram(program, 'console', join(folder.path, 'console'), format)
      assert.match(onConsole.stdout, complete)
      assert.deepEqual(filesIn(join(folder.path, 'console')), [])

      const inFile = await runProgram(program, 'file', join(folder.path, 'file'), format)
      assert.equal(inFile.stdout, '')
      assert.match(filesIn(join(folder.path, 'file')).join(), complete)

      const both = await runProgram(program, 'both', join(folder.path, 'both'), format)
      assert.match(both.stdout, complete)
      assert.deepEqual(filesIn(join(folder.path, 'both')), [both.stdout])
    })
  }

  it('contains the line written right before a crash', async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await runProgram(program, 'file', folder.path, 'json', 'crash')
    assert.equal(code, 1)
    assert.match(stderr, /Error: crashed/)
    assert.match(filesIn(folder.path).join(), /first.*\n.*last.*\n$/)
  })

  it('is written to a file with the configured name', async () => {
    assert.match((await logFile({ file: 'other.log' }, logStart)).name, /^other\.\d+\.log$/)
  })
})
