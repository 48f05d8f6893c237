import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { forger } from '@shop/testing/auth/forged-tokens.ts'
import { type IssuerMode, startIssuer } from '@shop/testing/auth/issuer.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { abandonOverGrpc, abandonOverHttp } from './support/abandoned.ts'
import { doorsOf, sendRaw } from './support/doors.ts'
import { calls, openGrpc } from './support/grpc.ts'
import { startHeldServer } from './support/held-server.ts'
import { openShop, type Shop } from './support/shop.ts'

const timed = async <Result>(work: () => Promise<Result>): Promise<readonly [Result, number]> => {
  const started = performance.now()
  return [await work(), performance.now() - started]
}

const metric = async (url: string, name: RegExp): Promise<number> =>
  Number(name.exec((await sendRaw(url, { path: '/metrics' })).body)?.[1] ?? Number.NaN)

const rowsIn = async ({ schemaUrl }: Shop) =>
  Number((await query('select count(*) from products', schemaUrl))[0]?.['count'])

describe('an issuer', { skip: withoutPostgres || withoutOwnRedis }, () => {
  it('that is down or hangs at the start makes tokens unavailable, not keys and open reads; then it is found', async () => {
    await using issuer = await startIssuer()
    await issuer.stop()
    await using shop = await openShop({ issuer })
    using doors = doorsOf(shop)
    const token = `Bearer ${await issuer.sign()}`
    const assertUnavailable = async () => {
      for (const { name, send } of doors) {
        const [outcome, ms] = await timed(() => send(token))
        assert.match(outcome, /^unavailable: tokens cannot be checked now, try again later$/, name)
        assert.ok(ms < 5_000, `${name}: ${ms}`)
        assert.equal(await send(shop.office.authorization), 'ok', name)
        assert.match(await send(undefined), /^(ok$|unauthenticated: this basket needs credentials)/, name)
      }
    }
    await assertUnavailable()
    await issuer.start()
    issuer.state.mode = 'hanging'
    await delay(600)
    await assertUnavailable()
    for (const { url } of [shop.products, shop.baskets]) {
      const { status, body } = await sendRaw(url, { path: '/health' })
      assert.equal(status, 200)
      assert.equal(JSON.parse(body).checks.issuer.status, 'down')
    }
    issuer.state.mode = 'normal'
    const [, healedMs] = await timed(() =>
      eventually(10_000, async () => {
        for (const { send } of doors) assert.equal(await send(token), 'ok')
      }),
    )
    assert.ok(healedMs < 5_000, `${healedMs}`)
  })

  it('that is slow is waited for, but nothing is written for callers who have left meanwhile', async () => {
    await using issuer = await startIssuer()
    await using keys = await startHeldServer(issuer.keysUrl)
    await using shop = await openShop({ issuer, product: { AUTH_JWKS_URL: keys.url } })
    const writer = `Bearer ${await issuer.sign({ scope: 'products:write' })}`
    await keys.untilAsked()
    using grpc = openGrpc(shop)
    const patient = Promise.all([
      sendRaw(shop.products.url, { path: '/products/1', headers: { authorization: writer } }),
      grpc.send(calls.get, { authorization: writer }),
    ])
    await Promise.all([abandonOverHttp(shop.products.url, writer, 40), abandonOverGrpc(shop, writer, 40)])
    keys.release()
    const [{ status }, outcome] = await patient
    assert.deepEqual([status, outcome], [404, 'ok'])
    await delay(500)
    assert.equal(await rowsIn(shop), 0)
    assert.equal(await metric(shop.products.url, /^http_server_active_requests\S* (\d+)/m), 1)
  })

  it('that hangs, sends too much or dies within a response costs nothing to whom it has vouched for', async () => {
    await using shop = await openShop()
    const { issuer } = shop
    const forge = await forger(issuer)
    using doors = doorsOf(shop)
    for (const mode of ['hanging', 'hanging body', 'large', 'broken', 'failing'] satisfies IssuerMode[]) {
      issuer.state.mode = mode
      for (const { name, send } of doors) {
        const strangers = Array.from({ length: 50 }, async () => send(`Bearer ${await forge.ofUnknownKey()}`))
        const times: number[] = []
        for (let count = 0; count < 3; count++) {
          const token = `Bearer ${await issuer.sign()}`
          const [outcome, ms] = await timed(() => send(token))
          assert.equal(outcome, 'ok', `${mode}, ${name}`)
          times.push(ms)
        }
        // Who waits for the issuer waits for a second.
        assert.ok(Math.min(...times) < 900, `${mode}, ${name}: ${times.join()} ms`)
        if (mode === 'hanging body') setTimeout(() => void issuer.stop(), 200)
        for (const stranger of await Promise.all(strangers))
          assert.match(stranger, /does not have|cannot be loaded now/, `${mode}, ${name}`)
        await issuer.stop()
        await issuer.start()
      }
    }
  })
})
