import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { everyCharacter, item, operations, spellings } from './support/basket-requests.ts'
import { sendRaw } from './support/doors.ts'
import { commandsDuring } from './support/monitor.ts'
import { openShop, type Shop } from './support/shop.ts'

const conditions = [
  {},
  { 'if-match': '*' },
  { 'if-none-match': '*' },
  { 'if-match': '"1"' },
  { 'x-http-method-override': 'GET', 'x-original-url': '/baskets/eve', 'x-user-id': 'bob' },
]

type Sent = ReturnType<typeof operations>[number]

/** The answer without what differs by chance and by the name of the user. All three names have as many characters. */
const comparable = ({ status, headers, body }: Awaited<ReturnType<typeof sendRaw>>, id: string) => {
  const { date: _, 'x-request-id': __, ...others } = headers
  const text = body
    .replace(/"request_id":"[^"]*"/, '')
    .replaceAll(new RegExp(`${id}|${everyCharacter(id)}`, 'gi'), 'X')
  return JSON.stringify({
    status,
    others,
    text: text.replaceAll(/%[0-9a-f]{2}[a-z]{4}/gi, 'X').replaceAll(/(%25..){5}/gi, 'X'),
  })
}

/** Two requests that differ only in the name of the user. */
type Pair = Readonly<{ existing: Sent; missing: Sent }>

const pairs: readonly Pair[] = spellings('bobby').flatMap((spelling, index) => {
  const missing = operations(spellings('alice')[index] ?? '', 'alice')
  return operations(spelling, 'bobby').flatMap((existing, row) => {
    const other = missing[row]
    return other === undefined ? [] : [{ existing, missing: other }]
  })
})

describe("another's basket", { skip: withoutPostgres || withoutOwnRedis }, () => {
  const stack = new AsyncDisposableStack()
  let shop: Shop
  let strangers: readonly (string | undefined)[]
  before(async () => {
    shop = stack.use(await openShop())
    const { products, baskets, office, issuer, keyFile } = shop
    // A key has a name for operators, which is no user.
    const key = newApiKey('bobby', 'products:write', 'stock:hold')
    await writeFile(keyFile, office.line + key.line)
    const eve = await issuer.sign({ sub: 'eve', scope: 'products:write baskets baskets:anyone' })
    strangers = [`Bearer ${eve}`, key.authorization, undefined]
    const post = (url: string, path: string, authorization: string, body: unknown) =>
      sendRaw(url, { method: 'POST', path, body, headers: { authorization } })
    await eventually(5_000, async () => {
      const made = await post(products.url, '/products', key.authorization, {
        name: 'Emma',
        price: 1,
        stock: 5,
      })
      assert.equal(made.status, 201)
    })
    const bobby = `Bearer ${await issuer.sign({ sub: 'bobby' })}`
    assert.equal((await post(baskets.url, '/baskets/bobby/items', bobby, item)).status, 200)
  })
  after(() => stack.disposeAsync())

  it('is refused with the same bytes whether it exists or not, whatever is sent, and the store is not asked', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const send = (sent: Sent, headers: object) => sendRaw(shop.baskets.url, { ...sent, headers, agent })
    let forbidden = 0
    const assertSame = async ({ existing, missing }: Pair, headers: object) => {
      const [bobs, alices] = [await send(existing, headers), await send(missing, headers)]
      const name = `${existing.method} ${existing.path} ${JSON.stringify(headers)} ${bobs.status}`
      assert.equal(comparable(bobs, 'bobby'), comparable(alices, 'alice'), name)
      assert.ok([400, 401, 403, 404].includes(bobs.status), name)
      if (bobs.status === 403) forbidden += 1
    }
    const commands = await commandsDuring(shop.redisPort, /bob|alice/i, async () => {
      for (const pair of pairs)
        for (const condition of conditions)
          for (const authorization of strangers)
            await assertSame(pair, { ...condition, ...(authorization !== undefined && { authorization }) })
    })
    agent.destroy()
    assert.ok(forbidden > 500)
    assert.deepEqual(commands, [])
  })

  it('of the caller is read from the store: the commands are seen', async () => {
    const headers = { authorization: `Bearer ${await shop.issuer.sign({ sub: 'bobby' })}` }
    const commands = await commandsDuring(shop.redisPort, /bob|alice/i, async () => {
      assert.equal((await sendRaw(shop.baskets.url, { path: '/baskets/bobby', headers })).status, 200)
    })
    assert.equal(commands.length, 1)
  })
})
