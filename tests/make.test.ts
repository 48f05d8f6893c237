import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createHmac, hash } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { parseKeyFile } from '@shop/platform/auth/key-file.ts'
import { root } from '@shop/testing/files.ts'
import { policy } from '../services/product/src/application/policy.ts'

const makefile = readFileSync(join(root, 'Makefile'), 'utf8')

/** A folder with the Makefile and the scripts of a fresh clone: no dependency is installed. */
const freshClone = () => {
  const path = mkdtempSync(join(tmpdir(), 'shop-make-'))
  cpSync(join(root, 'Makefile'), join(path, 'Makefile'))
  mkdirSync(join(path, 'scripts'))
  for (const name of ['install.sh', 'unused.sh'])
    cpSync(join(root, 'scripts', name), join(path, 'scripts', name))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

const make = async (folder: string, ...args: string[]) => {
  const env = { PATH: process.env['PATH'], TERM: 'xterm' }
  try {
    return { code: 0, ...(await promisify(execFile)('make', args, { cwd: folder, env })) }
  } catch (error) {
    assert.ok(error instanceof Error && 'stderr' in error && 'stdout' in error)
    return { code: 2, stdout: String(error.stdout), stderr: String(error.stderr) }
  }
}

/** The scopes that rules of the product service ask for. */
const scopesOfRules = Object.values(policy).flatMap(({ access }) =>
  typeof access === 'object' && 'scope' in access ? [access.scope] : [],
)

describe('make api-key', () => {
  it('prints a key once, and a line for the file of API keys that knows it', async () => {
    const scopes = [...new Set(scopesOfRules), 'baskets:any', 'stock:hold', 'unlimited']
    const { code, stdout } = await make(root, 'api-key', 'NAME=back-office', `SCOPES=${scopes.join(' ')}`)
    assert.equal(code, 0)
    const keys = stdout.match(/shop_[\w-]{43}(?![\w-])/g) ?? []
    assert.equal(keys.length, 1)
    const line = /^ {2}(back-office .*)$/m.exec(stdout)?.[1] ?? ''
    const { keys: known, problems } = parseKeyFile(Buffer.from(line))
    assert.deepEqual(problems, [])
    assert.deepEqual(
      known.map(({ principal, hash: sha256 }) => ({ principal, sha256: sha256.toString('hex') })),
      [
        {
          principal: { kind: 'machine', name: 'back-office', scopes: new Set(scopes) },
          sha256: hash('sha256', keys[0] ?? ''),
        },
      ],
    )
  })

  it('refuses names and scopes that the file may not have, and says which there are', async () => {
    for (const [variables, message] of [
      [['NAME=back office', 'SCOPES=stock:hold'], /NAME must be 1 to 64 characters/],
      [
        ['NAME=a', 'SCOPES=stock:hold admin'],
        /SCOPES must not have admin\. The scopes are:[^]*products:write/,
      ],
    ] as const) {
      const { code, stdout, stderr } = await make(root, 'api-key', ...variables)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, message)
    }
  })
})

describe('make check-history', () => {
  it('refuses variables that it does not know, and says how it is used', async () => {
    for (const [variable, message] of [
      ['ENGINE=mysql', /ENGINE must be all, sqlite, redis, cluster\n/],
      ['MINUTES=long', /MINUTES must be a number up to 1440\n/],
      ['SEED=-1', /SEED must be a number up to /],
    ] as const) {
      const { code, stdout, stderr } = await make(root, '-s', 'check-history', variable)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(stderr, message)
      assert.match(stderr, /^usage: make check-history /m)
    }
  })
})

describe('make audit-subject', () => {
  it('prints what the audit log has of a subject, by the key in the file', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'audit-'))
    const file = join(folder.path, 'key')
    await writeFile(file, `${'k'.repeat(32)}\n`)
    const { stdout } = await make(root, '-s', 'audit-subject', 'SUBJECT=ann', `AUDIT_KEY_FILE=${file}`)
    const expected = createHmac('sha256', 'k'.repeat(32)).update('ann').digest('base64url').slice(0, 22)
    assert.equal(stdout, `${expected}\n`)
  })

  it('refuses a key that the services would refuse', async () => {
    const { code, stderr } = await make(root, 'audit-subject', 'SUBJECT=ann', 'AUDIT_KEY=short')
    assert.equal(code, 2)
    assert.match(stderr, /AUDIT_KEY must have at least 32 bytes/)
  })
})

describe('make', () => {
  it('lists every target with what it does, without escape sequences in a pipe', async () => {
    const { stdout } = await make(root)
    assert.ok(!stdout.includes('\u001B'))
    const [, phony = ''] = /^\.PHONY: ((?:.*\\\n)*.*)$/m.exec(makefile) ?? []
    const targets = phony.replaceAll('\\\n', ' ').trim().split(/\s+/)
    const listed = stdout
      .trimEnd()
      .split('\n')
      .map((line) => /^ {2}(\S+) +\S/.exec(line)?.[1])
    assert.deepEqual(new Set(listed), new Set(targets))
  })

  for (const target of ['clean', 'clean-all'])
    it(`${target} refuses while a process uses the data, names it, and needs no dependency`, async () => {
      using clone = freshClone()
      mkdirSync(join(clone.path, '.data', 'products'), { recursive: true })
      writeFileSync(join(clone.path, '.data', 'products.lock'), 'locked')
      const holder = spawn('tail', ['-f', join(clone.path, '.data', 'products.lock')])
      try {
        // It has opened the file when it prints what is in it.
        await once(holder.stdout, 'data')
        const outcome = await make(clone.path, target)
        assert.match(
          outcome.stderr,
          new RegExp(
            `^make: \\.data is in use by process ${holder.pid} \\(tail -f .*\\): stop it first$`,
            'm',
          ),
        )
        assert.equal(outcome.code, 2)
      } finally {
        holder.kill()
        await once(holder, 'exit')
      }
      assert.equal((await make(clone.path, target)).code, 0)
    })

  it('without npm says what to install', async () => {
    using clone = freshClone()
    const script = join(clone.path, 'scripts', 'install.sh')
    chmodSync(script, 0o755)
    const failed = promisify(execFile)('/bin/bash', [script], { env: { PATH: '/nowhere' } })
    await assert.rejects(failed, {
      stderr: 'make: npm not found: install Node.js 20 or newer, which includes it\n',
    })
  })
})
