import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Type } from 'typebox'
import { ConfigError, type Environment, readVariables, secret } from '../../src/config/variables.ts'
import { mustHavePassword } from '../../src/process/service-variables.ts'

const schema = Type.Object({
  STORE_PASSWORD: Type.Optional(Type.String(secret)),
  STORE_URL: Type.Optional(Type.String({ pattern: '^store://', description: 'a URL of a store', ...secret })),
  STORE_NAME: Type.Optional(Type.String()),
})

type Rules = Parameters<typeof readVariables<typeof schema>>[2]

const problemsOf = (environment: Environment, rules?: Rules): string[] => {
  try {
    readVariables(schema, environment, rules)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.exitCode, 78)
    assert.doesNotMatch(error.message, /hunter2/)
    return error.message.split('\n').slice(1)
  }
}

describe('a secret variable in a file', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'secrets-'))
  after(() => folder.remove())
  const path = (name: string) => join(folder.path, name)
  const write = async (content: string | Uint8Array, name = 'secret') => {
    await writeFile(path(name), content)
    return path(name)
  }
  const passwordIn = async (content: string) =>
    readVariables(schema, { STORE_PASSWORD_FILE: await write(content) }).STORE_PASSWORD

  it('is its content, without one newline at the end', async () => {
    for (const [content, password] of [
      ['hunter2', 'hunter2'],
      ['hunter2\n', 'hunter2'],
      ['hunter2\r\n', 'hunter2'],
      ['hunter2\n\n', 'hunter2\n'],
      [' hunter2 ', ' hunter2 '],
      ['ü€😀\n', 'ü€😀'],
      ['x'.repeat(65_536), 'x'.repeat(65_536)],
    ] as const)
      assert.equal(await passwordIn(content), password)
  })

  it('may be a link, as the files of a Kubernetes secret are', async () => {
    await write('hunter2\n')
    await symlink(path('secret'), path('link'))
    assert.deepEqual(readVariables(schema, { STORE_PASSWORD_FILE: path('link') }), {
      STORE_PASSWORD: 'hunter2',
    })
  })

  it('counts as not set if the name of the file is empty', () => {
    const environment = { STORE_PASSWORD_FILE: '', STORE_PASSWORD: 'a password' }
    assert.deepEqual(readVariables(schema, environment), { STORE_PASSWORD: 'a password' })
  })

  it('takes the place of an empty variable', async () => {
    const environment = { STORE_PASSWORD: '', STORE_PASSWORD_FILE: await write('hunter2') }
    assert.deepEqual(readVariables(schema, environment), { STORE_PASSWORD: 'hunter2' })
  })

  it('exists only for secrets', async () => {
    assert.deepEqual(readVariables(schema, { STORE_NAME_FILE: await write('shop') }), {})
  })

  it('is a problem if the file cannot be used, which the message names without its content', async () => {
    await symlink(path('loop'), path('loop'))
    execFileSync('mkfifo', [path('pipe')])
    for (const [file, rule] of [
      [path('missing'), 'must name an existing file'],
      [join(await write('hunter2'), 'below'), 'must name an existing file'],
      [folder.path, 'must name a file, not a folder, pipe or device'],
      [path('pipe'), 'must name a file, not a folder, pipe or device'],
      ['/dev/zero', 'must name a file, not a folder, pipe or device'],
      [await write('', 'empty'), 'must name a file that is not empty'],
      [await write('\n', 'newline'), 'must name a file that is not empty'],
      [await write('hunter2'.repeat(9_363), 'large'), 'must name a file of at most 65536 bytes'],
      [await write('hunter2\0', 'nul'), 'must name a file without NUL characters'],
      [await write(new Uint8Array([104, 0xff]), 'binary'), 'must name a file with UTF-8 text'],
      [path('loop'), 'must name a file that can be read'],
    ] as const)
      assert.deepEqual(problemsOf({ STORE_PASSWORD_FILE: file }), [`  - STORE_PASSWORD_FILE ${rule}`], file)
  })

  it('is a problem if the variable is set too', async () => {
    assert.deepEqual(problemsOf({ STORE_PASSWORD: 'hunter2', STORE_PASSWORD_FILE: await write('hunter2') }), [
      '  - STORE_PASSWORD must not be set together with STORE_PASSWORD_FILE',
    ])
  })

  it('must keep the rules of the variable; all problems are reported together', async () => {
    const environment = { STORE_URL_FILE: await write('hunter2'), STORE_PASSWORD_FILE: path('missing') }
    const rules: Rules = ({ STORE_URL }) => [STORE_URL === 'hunter2' && 'STORE_URL must have a user']
    assert.deepEqual(problemsOf(environment, rules), [
      '  - STORE_URL (from STORE_URL_FILE) must be a URL of a store',
      '  - STORE_URL (from STORE_URL_FILE) must have a user',
      '  - STORE_PASSWORD_FILE must name an existing file',
    ])
  })

  it('is a password that production requires', () => {
    const problemIn = (environment: Environment) =>
      mustHavePassword(
        { STORAGE: 'auto', ENVIRONMENT: 'production' },
        environment,
        'STORE_PASSWORD',
        'STORE_URL',
      )
    const message =
      'STORE_PASSWORD must be set in production, unless STORE_PASSWORD_FILE or STORE_URL is; an empty STORE_PASSWORD= means that there is no password'
    for (const environment of [{}, { STORE_PASSWORD_FILE: '' }, { STORE_URL_FILE: '' }])
      assert.equal(problemIn(environment), message)
    for (const environment of [
      { STORE_PASSWORD: '' },
      { STORE_PASSWORD_FILE: '/missing' },
      { STORE_URL_FILE: '/missing' },
    ])
      assert.equal(problemIn(environment), false)
  })
})
