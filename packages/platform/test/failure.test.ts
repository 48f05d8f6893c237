import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { OperatorError } from '../src/config/operator-error.ts'
import { causeOf, expectedFailure, failureFields } from '../src/failure.ts'
import { createFailureLog } from '../src/logging/failure-log.ts'
import { createLogger, type LogConfig } from '../src/logging/logger.ts'
import { fileConfig } from './support/log-config.ts'

const refused = new Error('connect ECONNREFUSED 127.0.0.1:5432')
const outage = new AppError('unavailable', 'the store is unavailable', { cause: refused })
const bug = new TypeError('x is undefined')

/** The lines that a logger with this configuration writes. */
const linesOf = async (config: Partial<LogConfig>, fields: object): Promise<string[]> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-log-'))
  const logger = await createLogger({ service: 'shop' }, fileConfig(folder.path, config))
  logger.error(fields, 'failed')
  await tick()
  const [path = 'no file'] = globSync(`${folder.path}/*`)
  return readFileSync(path, 'utf8').trimEnd().split('\n')
}

describe('a failure in the log', () => {
  for (const level of ['debug', 'info'] as const)
    it(`that an outage explains is one line of text with the innermost message at level ${level}`, async () => {
      const [line, ...more] = await linesOf({ format: 'text', level }, failureFields(outage))
      assert.deepEqual(more, [])
      assert.match(
        line ?? '',
        /ERROR: shop: failed \{"cause":"the store is unavailable: connect ECONNREFUSED 127\.0\.0\.1:5432"\}$/,
      )
    })

  it('that an outage explains has its own stack, but not those of its causes, in JSON and in text lines at level trace', async () => {
    const text = await linesOf({ format: 'text', level: 'trace' }, failureFields(outage))
    assert.match(text.join('\n'), /AppError: the store is unavailable\n +at .*failure\.test\.ts/)
    const [json = ''] = await linesOf({ format: 'json' }, failureFields(outage))
    const { err, cause } = JSON.parse(json)
    assert.match(err.stack, /^AppError: the store is unavailable\n +at .*failure\.test\.ts/)
    assert.deepEqual(
      [err.code, err.cause.message, err.cause.stack],
      ['unavailable', refused.message, undefined],
    )
    const [ofBug = ''] = await linesOf({ format: 'json' }, failureFields(new Error('a bug', { cause: bug })))
    assert.match(JSON.parse(ofBug).err.cause.stack, /^TypeError/)
    assert.equal(cause, `the store is unavailable: ${refused.message}`)
  })

  it('that is a bug has its stack in text, too', async () => {
    const text = await linesOf({ format: 'text', level: 'info' }, failureFields(bug))
    assert.match(text.join('\n'), /TypeError: x is undefined\n +at .*failure\.test\.ts/)
  })

  it('is a bug unless it is an error for callers or for the operator, or only outages are recorded', () => {
    const { logger, lines } = recordingLogger()
    const isExpected = (error: unknown) => failureFields(error).err !== error
    const errors = [outage, new OperatorError('the folder is in use'), refused, bug, 'a string']
    assert.deepEqual(errors.map(isExpected), [true, true, false, false, false])
    createFailureLog(logger, 'connection lost', { fieldsOf: expectedFailure }).record(refused)
    // Loggers with other serializers have the error, too.
    assert.match(JSON.stringify(lines[0]), /"stack":"Error: connect ECONNREFUSED/)
    assert.equal(expectedFailure(refused).err.error, refused)
  })

  it('names each message of its causes once', () => {
    assert.equal(
      causeOf(new Error('14 UNAVAILABLE: down', { cause: new Error('down') })),
      '14 UNAVAILABLE: down',
    )
  })
})
