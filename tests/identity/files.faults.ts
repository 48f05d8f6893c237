import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtempDisposable, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { startIssuer } from '@shop/testing/auth/issuer.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { doorsOf, sendRaw } from './support/doors.ts'
import { openShop } from './support/shop.ts'

/** Ways to break a file, from which nobody must lose or gain rights. */
const faults: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  'is emptied': (path) => writeFile(path, ''),
  'is cut off': (path) => writeFile(path, '{"keys":[{"kty":"EC'),
  'is binary': (path) => writeFile(path, Buffer.from([0xff, 0xfe, 0x00, 0x80])),
  'is too large': (path) => writeFile(path, `# ${'x'.repeat(2 * 1024 * 1024)}`),
  'is removed': (path) => rm(path),
  'is a folder': async (path) => {
    await rm(path)
    await mkdir(path)
  },
  'is a named pipe': async (path) => {
    await rm(path)
    execFileSync('mkfifo', [path])
  },
  'is a device': async (path) => {
    await rm(path)
    execFileSync('ln', ['-s', '/dev/zero', path])
  },
  'is its own link': async (path) => {
    await rm(path)
    execFileSync('ln', ['-s', path, path])
  },
}

const replace = async (path: string, content: string): Promise<void> => {
  await writeFile(`${path}.new`, content)
  await rm(path, { recursive: true, force: true })
  await rename(`${path}.new`, path)
}

describe('a file of keys, or with a token,', { skip: withoutPostgres || withoutOwnRedis }, () => {
  it('that breaks in whatever way leaves what was read before, says so, and is used again when it is whole', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'key-files-'))
    await using issuer = await startIssuer()
    const at = (name: string) => join(folder.path, name)
    const jwks = () => JSON.stringify({ keys: issuer.state.keys.map(({ jwk }) => jwk) })
    const [office, own] = [
      newApiKey('office', 'products:write', 'baskets:any'),
      newApiKey('basket', 'stock:hold'),
    ]
    const files = { keys: office.line + own.line, token: own.key, jwks: jwks() }
    for (const [name, content] of Object.entries(files)) await writeFile(at(name), content)
    await using shop = await openShop({
      issuer,
      common: { AUTH_JWKS_FILE: at('jwks'), API_KEYS_FILE: at('keys') },
      basket: { PRODUCT_SERVICE_TOKEN_FILE: at('token') },
    })
    using doors = doorsOf(shop)
    const token = await issuer.sign()
    const headers = { authorization: office.authorization }
    const body = { product_id: 1, quantity: 1 }
    await sendRaw(shop.products.url, {
      method: 'POST',
      path: '/products',
      headers,
      body: { name: 'Emma', price: 1, stock: 900 },
    })
    const assertServed = async (what: string) => {
      for (const { name, send } of doors) {
        assert.equal(await send(office.authorization), 'ok', `${what}, ${name}`)
        assert.equal(await send(`Bearer ${token}`), 'ok', `${what}, ${name}`)
        assert.match(await send(newApiKey('x').authorization), /not known/, `${what}, ${name}`)
      }
      const added = await sendRaw(shop.baskets.url, {
        method: 'POST',
        path: '/baskets/user123/items',
        headers,
        body,
      })
      assert.equal(added.status, 200, `${what}: ${added.body}`)
    }
    const checksOf = async (url: string) => JSON.parse((await sendRaw(url, { path: '/health' })).body).checks
    for (const [fault, breakFile] of Object.entries(faults)) {
      for (const name of Object.keys(files)) await breakFile(at(name))
      await delay(1_600)
      await assertServed(fault)
      for (const { url } of [shop.products, shop.baskets]) {
        const checks = await checksOf(url)
        assert.equal(checks['api-keys'].status, 'down', `${fault}: ${JSON.stringify(checks)}`)
        assert.equal(checks.issuer.status, 'down', `${fault}: ${JSON.stringify(checks)}`)
      }
      for (const [name, content] of Object.entries(files)) await replace(at(name), content)
      await eventually(10_000, async () => {
        for (const { url } of [shop.products, shop.baskets]) {
          const checks = await checksOf(url)
          assert.deepEqual([checks['api-keys'].status, checks.issuer.status], ['up', 'up'], fault)
        }
      })
    }
    await assertServed('whole')
    await issuer.rotate()
    await replace(at('jwks'), jwks())
    await replace(at('keys'), own.line)
    await eventually(5_000, async () => {
      for (const { name, send } of doors) {
        assert.match(await send(`Bearer ${token}`), /^unauthenticated/, name)
        assert.match(await send(office.authorization), /not known/, name)
        assert.equal(await send(`Bearer ${await issuer.sign()}`), 'ok', name)
      }
    })
  })
})
