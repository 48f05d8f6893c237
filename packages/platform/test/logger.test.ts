import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { inRequest, spansOf } from '../../../tests/support/tracing.ts'
import { createLogger, type LogConfig, type Logger } from '../src/logger.ts'
import { requestContext } from '../src/request-context.ts'
import { runScript } from './support/script.ts'

type Line = Record<string, unknown>

const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'shop-log-'))

/** What the logger writes to its file. */
const logged = async (config: Partial<LogConfig>, write: (logger: Logger) => void) => {
  await using folder = await temporaryFolder()
  const file: LogConfig = {
    ENVIRONMENT: 'production',
    LOG_OUTPUT: 'file',
    LOG_DIR: join(folder.path, 'logs'),
    ...config,
  }
  write(await createLogger('test-service', file))
  await turn()
  const [path = 'no file', ...others] = globSync(`${file.LOG_DIR}/*`)
  assert.deepEqual(others, [])
  return { name: basename(path), text: readFileSync(path, 'utf8') }
}

const linesOf = async (config: Partial<LogConfig>, write: (logger: Logger) => void): Promise<Line[]> => {
  const { text } = await logged({ LOG_FORMAT: 'json', ...config }, write)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

const onEachLevel = (logger: Logger) => {
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) logger[level](level)
}
const levelsOf = async (config: Partial<LogConfig>) =>
  (await linesOf(config, onEachLevel)).map(({ level }) => level)

const onceStarted = (logger: Logger) => logger.info('started')

const filesIn = (folder: string) => globSync(`${folder}/*`).map((path) => readFileSync(path, 'utf8'))

describe('a log line', () => {
  it('is JSON with time, level, service and message outside development', async () => {
    for (const ENVIRONMENT of ['staging', 'production']) {
      const { text } = await logged({ ENVIRONMENT }, (logger) => logger.info({ port: 8080 }, 'started'))
      const { time, ...rest } = JSON.parse(text) as Line
      assert.deepEqual(rest, { level: 'info', service: 'test-service', port: 8080, msg: 'started' })
      assert.equal(new Date(String(time)).toISOString(), time)
    }
  })

  it('is text for people in development', async () => {
    const { text } = await logged({ ENVIRONMENT: 'development' }, (logger) =>
      logger.info({ port: 8080 }, 'started'),
    )
    assert.match(text, /^\[[\d:.]+\] INFO: test-service: started \{"port":8080\}\n$/)
  })

  it('in text says of a request what came of it', async () => {
    const { text } = await logged({ LOG_FORMAT: 'text' }, (logger) => {
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

  it('has the format that is asked for, whatever the environment', async () => {
    const json = await logged({ ENVIRONMENT: 'development', LOG_FORMAT: 'json' }, onceStarted)
    assert.match(json.text, /^\{.*\}\n$/)
    const text = await logged({ ENVIRONMENT: 'production', LOG_FORMAT: 'text' }, onceStarted)
    assert.match(text.text, / INFO: test-service: started\n$/)
  })

  it('is written from debug on in development, from info on elsewhere, or from the level that is asked for', async () => {
    assert.deepEqual(await levelsOf({ ENVIRONMENT: 'development' }), [
      'debug',
      'info',
      'warn',
      'error',
      'fatal',
    ])
    for (const ENVIRONMENT of ['staging', 'production'])
      assert.deepEqual(await levelsOf({ ENVIRONMENT }), ['info', 'warn', 'error', 'fatal'])
    assert.deepEqual(await levelsOf({ LOG_LEVEL: 'error' }), ['error', 'fatal'])
    assert.equal((await levelsOf({ LOG_LEVEL: 'trace' })).length, 6)
  })

  it('has the id of the request it belongs to, and of no other', async () => {
    const lines = await linesOf({}, (logger) => {
      requestContext.run({ requestId: 'req-1' }, () => logger.info('one'))
      requestContext.run({ requestId: 'req-2' }, () => logger.info('two'))
      logger.info('none')
    })
    assert.deepEqual(
      lines.map(({ msg, request_id }) => [msg, request_id]),
      [
        ['one', 'req-1'],
        ['two', 'req-2'],
        ['none', undefined],
      ],
    )
  })

  it('has the ids of the other requests that wait for the same', async () => {
    const lines = await linesOf({}, (logger) => {
      requestContext.run({ requestId: 'req-1', joinedIds: ['req-2', 'req-3'] }, () => logger.info('several'))
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

  it('has the ids of the trace and the span that it belongs to', async () => {
    let lines: Line[] = []
    const spans = await spansOf(async () => {
      lines = await linesOf({}, (logger) => {
        void inRequest('request', async () => logger.info('one'))
        logger.info('none')
      })
    })
    assert.deepEqual(
      lines.map(({ msg, trace_id, span_id }) => [msg, trace_id, span_id]),
      [
        ['one', spans[0]?.traceId, spans[0]?.id],
        ['none', undefined, undefined],
      ],
    )
  })

  it('has an error with its code, its stack and its causes', async () => {
    const error = new AppError('unavailable', 'too slow', {}, { cause: new Error('socket closed') })
    const { text } = await logged({}, (logger) => logger.error({ err: error }, 'failed'))
    const { err } = JSON.parse(text)
    assert.deepEqual([err.message, err.code, err.cause.message], ['too slow', 'unavailable', 'socket closed'])
    assert.match(err.stack, /^AppError: too slow\n +at /)
  })

  it('never has a credential, neither in an object nor in one within it', async () => {
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
    for (const LOG_FORMAT of ['json', 'text'] as const) {
      const { text } = await logged({ LOG_FORMAT }, (logger) => {
        logger.info({ ...credentials, DB_HOST: 'db' }, 'alone')
        logger.info({ config: credentials, headers: credentials }, 'within')
      })
      assert.doesNotMatch(text, /hunter2/)
      assert.match(text, /DB_HOST/)
      assert.match(text, /within/)
    }
  })
})

describe('the log', () => {
  const script = `
    import { createLogger } from '../src/logger.ts'
    const [LOG_OUTPUT, LOG_DIR, ENVIRONMENT, end] = process.argv.slice(1)
    const logger = await createLogger('test-service', { ENVIRONMENT, LOG_OUTPUT, LOG_DIR })
    logger.info('first')
    logger.info('last')
    if (end === 'a crash') throw new Error('crashed')
    process.exit(0)
  `

  for (const environment of ['development', 'production']) {
    it(`goes to the console, to a file, or to both, up to the last line before the exit, in ${environment}`, async () => {
      const complete = /first.*\n.*last.*\n$/
      await using folder = await temporaryFolder()

      const onConsole = await runScript(script, 'console', join(folder.path, 'console'), environment)
      assert.match(onConsole.stdout, complete)
      assert.deepEqual(filesIn(join(folder.path, 'console')), [])

      const inFile = await runScript(script, 'file', join(folder.path, 'file'), environment)
      assert.equal(inFile.stdout, '')
      assert.match(filesIn(join(folder.path, 'file')).join(), complete)

      const both = await runScript(script, 'both', join(folder.path, 'both'), environment)
      assert.match(both.stdout, complete)
      assert.deepEqual(filesIn(join(folder.path, 'both')), [both.stdout])
    })
  }

  it('has what was written right before a crash', async () => {
    await using folder = await temporaryFolder()
    const { code, stderr } = await runScript(script, 'file', folder.path, 'production', 'a crash')
    assert.equal(code, 1)
    assert.match(stderr, /Error: crashed/)
    assert.match(filesIn(folder.path).join(), /first.*\n.*last.*\n$/)
  })

  it('file is named after the service, or as asked for', async () => {
    assert.match((await logged({}, onceStarted)).name, /^test-service\.\d+\.log$/)
    assert.match((await logged({ LOG_FILE: 'shop.log' }, onceStarted)).name, /^shop\.\d+\.log$/)
  })
})
