import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { Type } from 'typebox'
import {
  ConfigError,
  type Environment,
  mustBeFileName,
  port,
  readVariables,
} from '../../src/config/variables.ts'

const schema = Type.Object({
  PORT: port(8080),
  MODE: Type.Enum(['fast', 'safe'], { default: 'safe' }),
  URL: Type.Optional(Type.String({ pattern: '^postgres://' })),
  NAME: Type.String(),
})

type Rules = NonNullable<Parameters<typeof readVariables<typeof schema>>[2]>

/** Returns the problems that the error lists, or an empty array for a valid environment. */
const problemsOf = (environment: Environment, rules?: Rules): string[] => {
  try {
    readVariables(schema, environment, rules)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    const [title, ...problems] = error.message.split('\n')
    assert.equal(title, 'Invalid configuration:')
    return problems.map((problem) => problem.replace('  - ', ''))
  }
}

const problemsOfPort = (text: string) => problemsOf({ NAME: 'shop', PORT: text })

describe('configuration', () => {
  it('contains only the variables in the schema, with integers as numbers', () => {
    const environment = { PORT: '9090', MODE: 'fast', NAME: '42', URL: 'postgres://db/shop', HOME: '/root' }
    assert.deepEqual(readVariables(schema, environment), {
      PORT: 9090,
      MODE: 'fast',
      NAME: '42',
      URL: 'postgres://db/shop',
    })
  })

  it('has the defaults of unset variables', () => {
    assert.deepEqual(readVariables(schema, { NAME: 'shop' }), { PORT: 8080, MODE: 'safe', NAME: 'shop' })
  })

  it('treats an empty variable as unset', () => {
    const environment = { NAME: 'shop', PORT: '', MODE: '', URL: '' }
    assert.deepEqual(readVariables(schema, environment), { PORT: 8080, MODE: 'safe', NAME: 'shop' })
    assert.deepEqual(problemsOf({ NAME: '' }), ['NAME is required'])
  })

  it('reports all problems in one error', () => {
    const environment = { PORT: '70000', MODE: 'slow', URL: 'mysql://db' }
    assert.deepEqual(problemsOf(environment).toSorted(), [
      'MODE must be one of fast, safe',
      'NAME is required',
      'PORT must be at most 65535',
      'URL must be of the form ^postgres://',
    ])
  })

  it('reports violations of rules together with violations of the schema', () => {
    const rule = 'URL must be set when MODE is safe'
    const rules: Rules = ({ MODE, URL }) => [
      MODE === 'safe' && URL === undefined && rule,
      MODE === 'fast' && 'MODE must not be fast',
    ]
    assert.deepEqual(problemsOf({ NAME: 'shop' }, rules), [rule])
    assert.deepEqual(problemsOf({ PORT: 'x' }, rules), [
      'NAME is required',
      'PORT must be a whole number',
      rule,
    ])
    assert.deepEqual(problemsOf({ NAME: 'shop', URL: 'postgres://db' }, rules), [])
  })

  it('does not reveal values in errors, because they may be secrets', () => {
    const environment = { PORT: 'hunter2', MODE: 'hunter2', URL: 'http://hunter2', NAME: 'shop' }
    const problems = problemsOf(environment)
    assert.equal(problems.length, 3)
    assert.doesNotMatch(problems.join('\n'), /hunter2/)
  })

  it('accepts integers only in plain decimal notation', () => {
    for (const text of [
      '1e3',
      '0x10',
      ' 5',
      '5 ',
      '5.0',
      '5.',
      '05',
      '+5',
      '5_000',
      '５',
      'NaN',
      'true',
      '-',
    ])
      assert.deepEqual(problemsOfPort(text), ['PORT must be a whole number'], text)
  })

  it('accepts ports from 1 to 65535 and no other numbers', () => {
    const ports = fc.integer({ min: 1, max: 65_535 }).map(String)
    fc.assert(fc.property(ports, (text) => problemsOfPort(text).length === 0))
    for (const text of ['1', '65535']) assert.deepEqual(problemsOfPort(text), [])
    for (const text of ['0', '-1', '-8080'])
      assert.deepEqual(problemsOfPort(text), ['PORT must be at least 1'])
    assert.deepEqual(problemsOfPort('65536'), ['PORT must be at most 65535'])
  })
})

describe('the name of a file', () => {
  const isAccepted = (name: string | undefined) => mustBeFileName('LOG_FILE', name) === false

  it('is one in any folder', () => {
    for (const name of [undefined, 'shop.log', '.log', 'a..b', 'täglich 1.log', 'x'.repeat(200)])
      assert.ok(isAccepted(name), name ?? 'unset')
  })

  it('is not a path, a name that is too long, or one that some operating system or the log refuses', () => {
    const paths = ['.', '..', '../../x.log', '/etc/x', 'a\\b', 'C:x']
    for (const name of [
      ...paths,
      'a\0b',
      'a\nb',
      'a*',
      'a?',
      'a|b',
      '"a"',
      '<a>',
      'x'.repeat(201),
      'ä'.repeat(101),
    ])
      assert.equal(
        mustBeFileName('LOG_FILE', name),
        'LOG_FILE must be the name of a file, not a path: at most 200 bytes, none of / \\ < > : " | ? * and no control character, and neither . nor ..',
      )
  })
})
