import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { startNginx, withoutNginx } from '@shop/testing/proxies/proxies.ts'
import * as fc from 'fast-check'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, basketOf, linesIn, openApp, send } from '../support/http.ts'

let app: App
let url: string
before(async () => {
  app = await openApp()
  app.catalog.products.set(1, aProduct({ stock: 1_000 }))
  url = await app.http.listen({ host: '127.0.0.1', port: 0 })
})
after(() => app[Symbol.asyncDispose]())

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** Together they have every allowed character, and dots at every position. */
const userIds = [
  alphanumeric,
  'x.y',
  'x_y',
  'x:y',
  'x@y',
  'x|y',
  'x-y',
  '|',
  '...',
  '....',
  '.a',
  '..a',
  'a..',
  '..|',
]

/** Creates the basket and returns its Location. */
const locationOf = async (user: string): Promise<string> => {
  const response = await basketOf(app.http, user).create()
  basketIn(response, 201)
  return String(response.headers['location'])
}

/** The user of the basket that the server returns for this URL, sent as fetch and browsers send it. */
const userAt = async (target: URL): Promise<string> => {
  const response = await fetch(target, { signal: AbortSignal.timeout(10_000) })
  const body: { user_id: string } = JSON.parse(await response.text())
  assert.equal(response.status, 200, `${target.href} ${JSON.stringify(body)}`)
  return body.user_id
}

/** A path as RFC 3986 §3.3 defines it. */
const validPath = /^(\/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})+)+$/

/** Sends a GET or DELETE with exactly this path: `fetch` and `inject` would resolve its dots. */
const statusOfRaw = (method: string, path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(url, { method, path, timeout: 10_000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })

describe('the Location of a basket', () => {
  test('is a valid path that names the user, with every allowed character and with dots at any position', async () => {
    for (const user of userIds) {
      const location = await locationOf(user)
      assert.match(location, validPath)
      // A browser resolves the path, and sends it as it is.
      assert.equal(new URL(location, url).pathname, location)
      assert.equal(await userAt(new URL(location, url)), user)
    }
    assert.equal(await locationOf('auth0|5f7c'), '/baskets/auth0%7C5f7c')
    assert.equal(await locationOf('a:b@c'), '/baskets/a:b@c')
  })

  test('leads to the basket through nginx, whether it normalizes the path or not', {
    skip: withoutNginx,
  }, async () => {
    await using transparent = await startNginx(url)
    await using normalizing = await startNginx(`${url}/`)
    for (const user of userIds.map((id) => `${id}n`)) {
      const location = await locationOf(user)
      for (const proxy of [transparent, normalizing])
        assert.equal(await userAt(new URL(location, proxy.url)), user)
    }
  })
})

describe('a user id', () => {
  const anyId = fc.stringMatching(/^[A-Za-z0-9._:@|-]{1,8}$/)
  const dotId = fc.stringMatching(/^[.|a]{1,4}$/)

  test('that is accepted names its own basket in every URL, however a client encodes it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyId, dotId), async (user) => {
        const accepted = (await send(app.http, 'POST', '/baskets', { user_id: user })).statusCode < 300
        assert.equal(accepted, user !== '.' && user !== '..')
        for (const encoded of accepted ? [user, encodeURIComponent(user), encodeURI(user)] : []) {
          assert.equal(await userAt(new URL(`/baskets/${encoded}`, url)), user)
          const { pathname } = new URL(`/baskets/${encoded}/items`, url)
          assert.equal(decodeURIComponent(pathname), `/baskets/${user}/items`)
        }
      }),
      { examples: [['.'], ['..'], ['...'], ['|']], numRuns: 50 },
    )
  })

  test('of one or two dots is refused, so no client has a basket whose URL names that of another user', async () => {
    const items = basketOf(app.http, 'items')
    await items.add(1, 5)
    for (const user of ['.', '..']) {
      const response = await send(app.http, 'POST', '/baskets', { user_id: user })
      assertProblem(response, { status: 400, code: 'invalid', paths: ['/user_id'] })
      assert.match(response.json().detail, /must be 1 to 128 characters of .* neither \. nor \.\.$/)
    }
    for (const dot of ['.', '..', '%2e', '%2E', '%2e%2E', '.%2e'])
      for (const [method, end] of [
        ['GET', ''],
        ['DELETE', ''],
        ['DELETE', '/items'],
        ['DELETE', '/items/1'],
      ] as const)
        assert.equal(await statusOfRaw(method, `/baskets/${dot}${end}`), 400, `${method} ${dot}${end}`)
    assert.deepEqual(linesIn(await items.get()), [[1, 5]])
  })

  test('with encoded slashes or backslashes is refused', async () => {
    for (const user of ['%2F', 'items%2F1', '..%2Fitems', '..%2fitems', '%5c..', 'a%5Cb', '%2e%2e%2fitems'])
      for (const method of ['GET', 'DELETE'])
        assert.equal(await statusOfRaw(method, `/baskets/${user}`), 400, `${method} ${user}`)
  })
})
