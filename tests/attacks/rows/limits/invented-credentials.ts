import assert from 'node:assert/strict'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { forger } from '@shop/testing/auth/forged-tokens.ts'
import { type Attacker, sized } from '../../support/form.ts'
import { type GuardedShop, proxyAddress } from '../../support/guarded-shop.ts'
import { cpuMicrosecondsOf } from '../../support/observed.ts'
import type { Attack, Row } from '../../support/row.ts'
import { sendAtOnce, statusesOf } from '../../support/sockets.ts'

const count = sized(400, 10_000)
const concurrency = 32

/** Failures that are checked: 100 a minute, those that were under way then, and those of a second minute if it begins. */
const maxChecked = 2 * (100 + concurrency)

type Headers = Readonly<Record<string, string>>

/** Half of them API keys, half tokens that look right. */
const invented = async ({ issuer }: GuardedShop): Promise<(index: number) => string> => {
  const forge = await forger(issuer)
  const tokens = await Promise.all(
    Array.from({ length: sized(50, 500) }, (_, index) =>
      index % 2 === 0 ? forge.ofAnotherKey() : forge.ofUnknownKey(),
    ),
  )
  return (index) =>
    index % 2 === 0 ? newApiKey('eve').authorization : `Bearer ${tokens[(index >> 1) % tokens.length]}`
}

const attempt = (shop: GuardedShop, from: string, headers: Headers) =>
  sendAtOnce(1, [{ method: 'GET', url: `${shop.product.url}/products/1`, from, headers }])

/** Sends invented credentials. `headersOf` are further headers of each request. */
const flood = async (shop: GuardedShop, from: string, headersOf: (index: number) => Headers) => {
  const credentials = await invented(shop)
  const before = await cpuMicrosecondsOf(shop.product)
  const statuses = statusesOf(
    await sendAtOnce(
      concurrency,
      Array.from({ length: count }, (_, index) => ({
        method: 'GET',
        url: `${shop.product.url}/products/1`,
        from,
        headers: { ...headersOf(index), authorization: credentials(index) },
      })),
    ),
  )
  const cpu = Math.round(((await cpuMicrosecondsOf(shop.product)) - before) / count)
  const { 401: checked = 0, 429: refused = 0 } = statuses
  const text = JSON.stringify(statuses)
  assert.ok(checked <= maxChecked, text)
  assert.equal(checked + refused, count, text)
  return `${text}, ${cpu} µs of CPU each, with the innocent requests`
}

/** Before the flood, a customer behind the same address has used a token; afterwards another one comes. */
const besideCustomers = async (shop: GuardedShop, from: string, headersOf: (index: number) => Headers) => {
  const tokenOf = async (subject: string) => ({
    ...headersOf(0),
    authorization: `Bearer ${await shop.issuer.sign({ sub: subject })}`,
  })
  const [known, fresh] = [await tokenOf('known'), await tokenOf('fresh')]
  assert.deepEqual(statusesOf(await attempt(shop, from, known)), { 200: 1 })
  const counted = await flood(shop, from, headersOf)
  assert.deepEqual(statusesOf(await attempt(shop, from, known)), { 200: 1 }, 'who is known is served')
  assert.deepEqual(statusesOf(await attempt(shop, from, fresh)), { 429: 1 }, 'nothing more is checked')
  return counted
}

const from =
  (address: string): Attacker =>
  () =>
    address

const attack = (
  name: string,
  headersOf: (index: number) => Headers,
  via?: Attacker,
): Attack<GuardedShop> => ({
  name: `12 · ${count} invented credentials ${name}`,
  run: (shop, attacker) => besideCustomers(shop, (via ?? attacker)(), headersOf),
})

export const inventedCredentials: Row<GuardedShop> = {
  name: '12 · invented credentials',
  refuses: ['failed_authentications'],
  attacks: [
    attack('of one address, which names others in X-Forwarded-For', (index) => ({
      'x-forwarded-for': `203.0.113.${index % 250}`,
    })),
    attack(
      'of one address behind the proxy, which names others before it',
      (index) => ({ 'x-forwarded-for': `203.0.113.${index % 250}, 198.51.100.7` }),
      from(proxyAddress),
    ),
    attack(
      'of the addresses of one IPv6 network behind the proxy',
      (index) => ({ 'x-forwarded-for': `2001:db8:1:2:${(index % 60_000).toString(16)}::1` }),
      from(proxyAddress),
    ),
  ],
}
