import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { assertValidSchema } from '@shop/testing/asserts/schema.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { Type } from 'typebox'
import { authConfigOf, authProblems, authVariables, warnIfOpen } from '../../src/auth/config.ts'
import { ConfigError, type Environment, readVariables } from '../../src/config/variables.ts'

const schema = Type.Object({
  ENVIRONMENT: Type.Enum(['development', 'staging', 'production'], { default: 'development' }),
  ...authVariables,
})

const configOf = (environment: Environment) =>
  authConfigOf(readVariables(schema, environment, (variables) => authProblems(variables)))

const problemsOf = (environment: Environment): readonly string[] => {
  try {
    configOf(environment)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.exitCode, 78)
    return error.problems
  }
}

describe('the configuration of identity', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'auth-config-'))
  after(() => folder.remove())
  const file = (name: string) => join(folder.path, name)
  const { key, line } = newApiKey('ann', 'read')
  await writeFile(file('keys'), line)
  await writeFile(file('broken'), `${line}\nann ${key}\n`)
  await writeFile(file('jwks'), '{"keys":[]}')
  const keys = { AUTH: 'keys', API_KEYS_FILE: file('keys') }
  const tokens = { AUTH: 'jwt', AUTH_ISSUER: 'https://issuer.example', AUTH_AUDIENCE: 'shop' }

  it('is off by default, except in production, where it must be set', () => {
    for (const ENVIRONMENT of ['development', 'staging'])
      assert.deepEqual(configOf({ ENVIRONMENT }), { mode: 'off', isProduction: false })
    assert.deepEqual(problemsOf({ ENVIRONMENT: 'production' }), [
      'AUTH must be set in production: keys, jwt, or off, which lets everybody do everything',
    ])
    assert.deepEqual(configOf({ ENVIRONMENT: 'production', AUTH: 'off' }), {
      mode: 'off',
      isProduction: true,
    })
    assert.deepEqual(problemsOf({ AUTH: 'on' }), ['AUTH must be one of off, keys, jwt'])
  })

  it('warns if it is off in production', () => {
    const warningsOf = (environment: Environment) => {
      const { logger, lines } = recordingLogger()
      warnIfOpen(logger, configOf(environment))
      return lines.map(({ level, msg }) => [level, msg])
    }
    assert.deepEqual(warningsOf({ ENVIRONMENT: 'production', AUTH: 'off' }), [
      [40, 'AUTH is off: everybody who reaches the service may do everything'],
    ])
    for (const environment of [{}, { AUTH: 'off' }, { ENVIRONMENT: 'production', ...keys }])
      assert.deepEqual(warningsOf(environment), [])
  })

  it('of API keys needs their file, and says every rule that it breaks', () => {
    assert.deepEqual(configOf({ ENVIRONMENT: 'production', ...keys }), {
      mode: 'keys',
      apiKeysFile: file('keys'),
    })
    assert.deepEqual(problemsOf({ AUTH: 'keys' }), ['API_KEYS_FILE must be set when AUTH is keys'])
    for (const AUTH of ['keys', 'jwt']) {
      const problems = problemsOf({ AUTH, API_KEYS_FILE: file('broken') })
      assert.deepEqual(
        problems.map((problem) => problem.slice(0, 40)),
        [
          'API_KEYS_FILE line 3 must have, after th',
          'API_KEYS_FILE line 3 must have at least ',
          'API_KEYS_FILE line 3 must not have the s',
        ],
      )
      assert.ok(!problems.join().includes(key))
      assert.deepEqual(problemsOf({ AUTH, API_KEYS_FILE: file('missing') }), [
        'API_KEYS_FILE must name an existing file',
      ])
    }
  })

  it('of tokens has the local issuer and an audience as defaults, in development only', () => {
    assert.deepEqual(configOf({ AUTH: 'jwt' }), {
      mode: 'jwt',
      apiKeysFile: undefined,
      tokens: {
        issuer: 'http://localhost:9090',
        audience: 'shop',
        typ: 'at+jwt',
        keys: { kind: 'issuer' },
        allowHttp: true,
      },
    })
    for (const ENVIRONMENT of ['staging', 'production'])
      assert.deepEqual(problemsOf({ ENVIRONMENT, AUTH: 'jwt' }), [
        'AUTH_ISSUER must be set when AUTH is jwt',
        'AUTH_AUDIENCE must be set when AUTH is jwt',
      ])
  })

  it('of tokens takes each variable, and API keys beside', () => {
    const url = 'https://issuer.example/keys?version=2'
    const tokensOf = (environment: Environment) => {
      const config = configOf({ ENVIRONMENT: 'production', ...tokens, ...environment })
      assert.ok(config.mode === 'jwt')
      return config
    }
    assert.deepEqual(tokensOf({ AUTH_JWKS_URL: url, AUTH_TYP: 'any', API_KEYS_FILE: file('keys') }), {
      mode: 'jwt',
      apiKeysFile: file('keys'),
      tokens: {
        issuer: 'https://issuer.example',
        audience: 'shop',
        typ: 'any',
        keys: { kind: 'url', url },
        allowHttp: false,
      },
    })
    assert.deepEqual(tokensOf({ AUTH_JWKS_FILE: file('jwks') }).tokens.keys, {
      kind: 'file',
      path: file('jwks'),
    })
  })

  for (const [what, environment, problem] of [
    [
      'two places of the keys',
      { AUTH_JWKS_URL: 'https://a.example', AUTH_JWKS_FILE: import.meta.filename },
      'AUTH_JWKS_FILE must not be set together with AUTH_JWKS_URL',
    ],
    ['a missing file of keys', { AUTH_JWKS_FILE: '/missing' }, 'AUTH_JWKS_FILE must name an existing file'],
    [
      'keys over http',
      { AUTH_JWKS_URL: 'http://a.example' },
      'AUTH_JWKS_URL must begin with https: outside development',
    ],
    [
      'an issuer over http',
      { AUTH_ISSUER: 'http://a.example' },
      'AUTH_ISSUER must begin with https: outside development, because its keys are found there',
    ],
    [
      'an issuer with a query',
      { AUTH_ISSUER: 'https://a.example/?a=b' },
      'AUTH_ISSUER must be a URL such as https://issuer.example, without user, query and fragment',
    ],
    [
      'an issuer with a user',
      { AUTH_ISSUER: 'https://a:b@a.example' },
      'AUTH_ISSUER must be a URL such as https://issuer.example, without user, query and fragment',
    ],
    [
      'an issuer with a port that is none',
      { AUTH_ISSUER: 'https://a.example:99999' },
      'AUTH_ISSUER must be a URL',
    ],
    [
      'a URL of keys with a fragment',
      { AUTH_JWKS_URL: 'https://a.example/#a' },
      'AUTH_JWKS_URL must be a URL such as https://issuer.example/jwks, without user and fragment',
    ],
    [
      'a typ with a space',
      { AUTH_TYP: 'at jwt' },
      'AUTH_TYP must be any, or the typ of the tokens, such as at+jwt',
    ],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.deepEqual(problemsOf({ ENVIRONMENT: 'staging', ...tokens, ...environment }), [problem])
    })

  it('allows an issuer over http if its keys are elsewhere, and http in development', () => {
    const http = { ...tokens, AUTH_ISSUER: 'http://issuer:8080/realms/shop' }
    assert.deepEqual(
      problemsOf({ ENVIRONMENT: 'production', ...http, AUTH_JWKS_URL: 'https://a.example' }),
      [],
    )
    assert.deepEqual(problemsOf({ ENVIRONMENT: 'production', ...http, AUTH_JWKS_FILE: file('jwks') }), [])
    assert.deepEqual(problemsOf(http), [])
    assert.deepEqual(problemsOf({ ...http, AUTH_JWKS_URL: 'http://localhost:9090/jwks' }), [])
  })

  it('refuses variables that have no effect, because AUTH was probably forgotten', () => {
    const unused = {
      AUTH_ISSUER: 'https://a.example',
      AUTH_AUDIENCE: 'shop',
      AUTH_JWKS_URL: 'https://a.example/jwks',
      AUTH_JWKS_FILE: file('jwks'),
      AUTH_TYP: 'JWT',
    }
    for (const [name, value] of Object.entries(unused))
      for (const environment of [{}, keys])
        assert.deepEqual(problemsOf({ ...environment, [name]: value }), [
          `${name} must not be set unless AUTH is jwt`,
        ])
    assert.deepEqual(problemsOf({ API_KEYS_FILE: file('keys') }), [
      'API_KEYS_FILE must not be set unless AUTH is keys or jwt',
    ])
    // Off is said: what is set besides is for later.
    assert.deepEqual(problemsOf({ ...unused, API_KEYS_FILE: '/missing', AUTH: 'off' }), [])
  })

  it('has a valid schema', () => assertValidSchema(schema))
})
