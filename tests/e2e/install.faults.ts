import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'

describe('make in a fresh clone', () => {
  for (const [what, registry] of [
    ['where nothing listens', 'http://127.0.0.1:9'],
    ['without name resolution', 'http://registry.invalid'],
  ] as const)
    it(`${what} says what it waits for, what npm says, and that the registry cannot be reached, within a minute`, async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-install-'))
      for (const name of ['package.json', 'package-lock.json', '.npmrc', 'scripts/install.sh'])
        cpSync(join(root, name), join(folder.path, name))
      mkdirSync(join(folder.path, 'packages'))
      const env = {
        PATH: process.env['PATH'],
        npm_config_registry: registry,
        npm_config_cache: join(folder.path, 'cache'),
      }
      const failed = promisify(execFile)('scripts/install.sh', { cwd: folder.path, env, timeout: 60_000 })
      await assert.rejects(failed, ({ stdout, stderr }) => {
        assert.match(String(stdout), /^Installing dependencies \(npm ci\): this needs the network/)
        assert.match(String(stderr), /npm error code (ECONNREFUSED|ENOTFOUND|EAI_AGAIN)/)
        assert.match(String(stderr), /\nmake: the npm registry cannot be reached: .+\n$/)
        return true
      })
    })
})
