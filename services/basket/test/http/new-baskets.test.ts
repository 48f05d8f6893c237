import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { createApp } from '../../src/app.ts'
import { aProduct } from '../support/baskets.ts'
import { assertProblem } from '../support/http.ts'
import { openPorts } from '../support/ports.ts'

const tooMany = { status: 429, code: 'rate_limited' }

describe('new baskets of one client', () => {
  const stack = new AsyncDisposableStack()
  let http: Awaited<ReturnType<typeof createApp>>['http']
  before(async () => {
    const { ports } = stack.use(await openPorts(async (id) => aProduct({ id })))
    const config = { newBasketsPerHour: 3, http: { trustProxy: '10.0.0.0/8' } }
    const metrics = createMetrics('basket-service', '0')
    ;({ http } = stack.use(await createApp({ ports, dependencies: [] }, silentLogger, metrics, config)))
  })
  after(() => stack.disposeAsync())

  let users = 0
  const newUser = () => `user-${++users}`
  /** Sends requests from this address. */
  const clientAt = (remoteAddress: string, forwardedFor?: string) => {
    const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
    const post = (url: string, payload: object, more = {}) =>
      http.inject({ method: 'POST', url, payload, headers: { ...headers, ...more }, remoteAddress })
    const several = (quantity: number) => ({ items: [{ product_id: 1, quantity }] })
    return {
      create: (user = newUser(), more = {}) => post('/baskets', { user_id: user }, more),
      addSeveral: (user = newUser()) => post(`/baskets/${user}/items`, several(1)),
      setSeveral: (user = newUser(), quantity = 1) =>
        http.inject({
          method: 'PATCH',
          url: `/baskets/${user}/items`,
          payload: several(quantity),
          remoteAddress,
        }),
      add: (user = newUser()) => post(`/baskets/${user}/items`, { product_id: 1, quantity: 1 }),
      remove: (user: string) =>
        http.inject({ method: 'DELETE', url: `/baskets/${user}/items/1`, remoteAddress }),
    }
  }
  const refused = async () =>
    /^requests_refused_total\{.*reason="new_baskets".*scope="client".*\} (\d+)$/m.exec(
      (await http.inject('/metrics')).body,
    )?.[1]

  test('are limited, created empty or with an item, and existing baskets are not', async () => {
    const client = clientAt('203.0.113.1')
    assert.equal(await refused(), '0')
    assert.equal((await client.create('ann')).statusCode, 201)
    assert.equal((await client.add('bob')).statusCode, 200)
    assert.equal((await client.create()).statusCode, 201)
    const answer = await client.create()
    assertProblem(answer, tooMany)
    // The hour began with the first of them.
    assert.ok(Number(answer.headers['retry-after']) > 3_590 && Number(answer.headers['retry-after']) <= 3_600)
    assertProblem(await client.add(), tooMany)
    assert.equal(await refused(), '2')

    assert.equal((await client.create('ann')).statusCode, 200)
    assert.equal((await client.add('ann')).statusCode, 200)
    assert.equal((await client.remove('bob')).statusCode, 200)
    assert.equal((await clientAt('203.0.113.2').create()).statusCode, 201)
  })

  test('are limited also if they are created by several items, or by none', async () => {
    const client = clientAt('203.0.113.5')
    const creations = [client.addSeveral, client.setSeveral, () => client.setSeveral(newUser(), 0)]
    for (const create of creations) assert.equal((await create()).statusCode, 200)
    for (const create of creations) assertProblem(await create(), tooMany)
  })

  test('count once if their creation is repeated with its key, which is never refused', async () => {
    const client = clientAt('203.0.113.6')
    const user = newUser()
    const create = () => client.create(user, { 'idempotency-key': 'one' })
    for (let attempt = 0; attempt < 5; attempt++) assert.equal((await create()).statusCode, 201)
    for (let count = 0; count < 2; count++) assert.equal((await client.create()).statusCode, 201)
    assertProblem(await client.create(), tooMany)
    const repeated = await create()
    assert.deepEqual([repeated.statusCode, repeated.headers['idempotent-replayed']], [201, 'true'])
  })

  test('count only if they are stored', async () => {
    const client = clientAt('203.0.113.3')
    for (let count = 0; count < 5; count++) {
      assert.equal((await client.create('ann')).statusCode, 200)
      const url = `/baskets/${newUser()}/items`
      const payload = { product_id: 1, quantity: 999 }
      const sent = await http.inject({ method: 'POST', url, payload, remoteAddress: '203.0.113.3' })
      assertProblem(sent, { status: 409, code: 'insufficient_stock', available: 75, requested: 999 })
      const conditional = { 'if-match': '"x"' }
      const refusedWrite = { method: 'POST', url: '/baskets', headers: conditional } as const
      const remoteAddress = '203.0.113.3'
      const stale = await http.inject({ ...refusedWrite, payload: { user_id: newUser() }, remoteAddress })
      assertProblem(stale, { status: 412, code: 'stale_version' })
    }
    for (let count = 0; count < 3; count++) assert.equal((await client.create()).statusCode, 201)
    assertProblem(await client.create(), tooMany)
  })

  test('are never more than the limit, however many are requested at once', async () => {
    const client = clientAt('203.0.113.4')
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.add()))
    const statuses = answers.map(({ statusCode }) => statusCode)
    assert.equal(statuses.filter((status) => status === 200).length, 3)
    assert.equal(statuses.filter((status) => status === 429).length, 17)
  })

  test('count for the client that a trusted proxy names, and are not limited if it names none', async () => {
    const behind = clientAt('10.0.0.1', '198.51.100.1')
    for (let count = 0; count < 3; count++) assert.equal((await behind.create()).statusCode, 201)
    assertProblem(await behind.create(), tooMany)
    assert.equal((await clientAt('10.0.0.1', '198.51.100.2').create()).statusCode, 201)
    const storefront = clientAt('10.0.0.1')
    for (let count = 0; count < 10; count++) assert.equal((await storefront.create()).statusCode, 201)
  })

  test('count for the network of an IPv6 address, not for what a stranger claims', async () => {
    for (let count = 0; count < 3; count++)
      assert.equal((await clientAt(`2001:db8:1:2::${count}`).create()).statusCode, 201)
    assertProblem(await clientAt('2001:db8:1:2:ffff::1', '198.51.100.9').create(), tooMany)
    assert.equal((await clientAt('2001:db8:1:3::1').create()).statusCode, 201)
  })
})
