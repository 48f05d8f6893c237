import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Principal } from '@shop/kernel/principal.ts'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct } from '../support/baskets.ts'
import { createGuest, guestForm, requestsTo } from '../support/guests.ts'
import { type App, assertProblem, basketIn, basketOf, linesIn, openApp, send } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
  app.catalog.products.set(1, aProduct())
})
after(() => app[Symbol.asyncDispose]())

const create = (body: unknown, headers?: Record<string, string>) =>
  send(app.http, 'POST', '/baskets', body, headers)

describe('the basket of a new guest', () => {
  test('is created with an id of its own, a Location and an ETag', async () => {
    const response = await create({ guest: true })
    const { user_id: guest, items, version } = basketIn(response, 201)
    assert.match(guest, guestForm)
    assert.deepEqual([items, version], [[], 1])
    assert.equal(response.headers['location'], `/baskets/${guest}`)
    assert.equal(response.headers['cache-control'], 'private, no-cache')
    assert.equal((await send(app.http, 'GET', `/baskets/${guest}`)).headers['etag'], response.headers['etag'])
    assert.notEqual(await createGuest(app.http), guest)
  })

  test('is used by its id like that of a user', async () => {
    const guest = await createGuest(app.http)
    const basket = basketOf(app.http, guest)
    assert.equal(basketIn(await basket.create()).version, 1)
    assert.deepEqual(linesIn(await basket.add(1, 2)), [[1, 2]])
    assert.deepEqual(linesIn(await basket.set(1, 3)), [[1, 3]])
    assert.deepEqual(linesIn(await basket.remove(1)), [])
    await basket.add(1, 1)
    assert.deepEqual(linesIn(await basket.clear()), [])
    assert.equal((await basket.delete()).statusCode, 204)
    for (const request of Object.values(requestsTo(app.http, guest)))
      assert.equal((await request()).statusCode, 404)
  })

  test('is new, so it meets no precondition that names a state', async () => {
    basketIn(await create({ guest: true }, { 'if-none-match': '*' }), 201)
    for (const tag of ['*', '"x"'])
      assertProblem(await create({ guest: true }, { 'if-match': tag }), {
        status: 412,
        code: 'stale_version',
      })
  })

  test('counts as a new basket of its client', async () => {
    const metrics = createMetrics('basket-service', '0')
    const adapters = { ports: app.ports, dependencies: [] }
    await using limited = await createApp(adapters, silentLogger, metrics, { newBasketsPerHour: 3 })
    const guests = [await createGuest(limited.http), await createGuest(limited.http)]
    assert.equal((await basketOf(limited.http, 'eve').create()).statusCode, 201)
    const refused = await send(limited.http, 'POST', '/baskets', { guest: true })
    assertProblem(refused, { status: 429, code: 'rate_limited' })
    assert.deepEqual(linesIn(await basketOf(limited.http, guests[0] ?? '').add(1, 1)), [[1, 1]])
  })
})

describe('the body of POST /baskets', () => {
  for (const [body, paths, rule] of [
    [{}, ['/user_id'], 'user_id is required unless guest is true'],
    [{ guest: false }, ['/user_id'], 'user_id is required unless guest is true'],
    [{ guest: true, user_id: 'ann' }, ['/guest'], 'guest must not be true together with user_id'],
    [{ guest: 'true' }, ['/guest'], 'guest must be a boolean'],
    [{ guest: 1 }, ['/guest'], 'guest must be a boolean'],
    [{ guest: null, user_id: 'ann' }, ['/guest'], 'guest must be a boolean'],
    [{ guest: true, user_id: null }, ['/user_id'], 'user_id must be a string'],
  ] as const)
    test(`of ${JSON.stringify(body)} is refused, and the refusal names the field and its rule`, async () => {
      const response = await create(body)
      assertProblem(response, { status: 400, code: 'invalid', paths })
      assert.equal(response.json().detail, rule)
      assert.equal((await send(app.http, 'GET', '/baskets/ann')).statusCode, 404)
    })

  test('may say that a user is no guest', async () => {
    assert.equal(basketIn(await create({ user_id: 'bob', guest: false }), 201).user_id, 'bob')
  })
})

describe('while guests are switched off', () => {
  const principals: Readonly<Record<string, Principal>> = {
    'Bearer ann': { kind: 'user', subject: 'ann', scopes: new Set() },
    'Bearer office': { kind: 'machine', name: 'office', scopes: new Set(['baskets:any']) },
  }
  const identify = (authorization?: string): Principal =>
    principals[authorization ?? ''] ?? { kind: 'anonymous' }

  test('nobody creates their baskets, and only those who may use all baskets use them', async () => {
    const guest = await createGuest(app.http)
    await using closed = await createApp({ ports: app.ports, dependencies: [] }, silentLogger, undefined, {
      guests: false,
      identity: { identify, jobs: [], dependencies: [] },
    })
    const forbidden = { status: 403, code: 'forbidden' }
    for (const authorization of ['', ...Object.keys(principals)]) {
      const headers = { authorization }
      assertProblem(await send(closed.http, 'POST', '/baskets', { guest: true }, headers), forbidden)
      const { statusCode } = await send(closed.http, 'GET', `/baskets/${guest}`, undefined, headers)
      assert.equal(statusCode, authorization === 'Bearer office' ? 200 : 403, authorization)
    }
    for (const [name, request] of Object.entries(requestsTo(closed.http, guest))) {
      const { statusCode, body } = await request()
      assert.equal(statusCode, 403, name)
      assert.ok(!body.includes(guest), name)
    }
  })
})
