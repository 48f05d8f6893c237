import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { forger } from '@shop/testing/auth/forged-tokens.ts'
import { startCollector } from '@shop/testing/observability/otlp.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { disturb, subject } from './support/disturb.ts'
import { sendRaw } from './support/doors.ts'
import { openShop, type Shop } from './support/shop.ts'

/** Longer than the second after which files are read again. */
const rereadMs = 1_600

/** Credentials of all kinds, valid and not. The first is valid. */
const credentialsOf = async ({ issuer, office }: Shop, ownKey: string): Promise<readonly string[]> => {
  const forge = await forger(issuer)
  const now = forge.now()
  const claims = { sub: subject, scope: 'products:write', jti: 'jti-of-ann-4711' }
  const changed = `${office.key.slice(0, -1)}${office.key.endsWith('A') ? 'B' : 'A'}`
  const tokens = await Promise.all([
    issuer.sign(claims),
    issuer.sign({ ...claims, exp: now - 100 }),
    issuer.sign({ ...claims, nbf: now + 100 }),
    issuer.sign({ ...claims, iss: 'iss-of-ann-4711' }),
    issuer.sign({ ...claims, aud: 'aud-of-ann-4711' }),
    issuer.sign({ ...claims, sub: `guest:${subject}` }),
    issuer.sign({ ...claims, sub: 'subject of-ann-4711 <>' }),
    issuer.sign(claims, { typ: 'JWT' }),
    forge.ofAnotherKey(),
    forge.ofUnknownKey(),
    forge.withItsKey(),
    forge.critical(),
    forge.signedWithPublicKey(),
  ])
  return [...tokens, office.key, ownKey, changed, newApiKey('x').key]
}

/** What must not be seen of a token or key. The header of a token says only who signed it. */
const partsOf = (credentials: string): readonly string[] =>
  credentials.startsWith('shop_')
    ? [credentials.slice(5, 30), credentials.slice(-20)]
    : credentials
        .split('.')
        .slice(1)
        .flatMap((part) => (part.length > 20 ? [part.slice(0, 30), part.slice(-20)] : []))

const hashOf = ({ line }: Readonly<{ line: string }>): string => line.split(' ')[1] ?? ''

type Own = ReturnType<typeof newApiKey>

/** Everything that goes wrong with credentials in the life of a shop. Returns what clients have seen of it. */
const liveThrough = async (shop: Shop, own: Own, credentials: readonly string[]): Promise<string> => {
  const { office, keyFile, issuer, baskets } = shop
  const valid = credentials.slice(0, 1)
  const seen = [await disturb(shop, credentials)]
  // A key in place of its hash, and an issuer that is away.
  await writeFile(keyFile, `${office.line}basket-service ${own.key} stock:hold\n`)
  await issuer.stop()
  await delay(rereadMs)
  seen.push(await disturb(shop, valid))
  // The product service no longer knows the basket service.
  await writeFile(keyFile, office.line)
  await delay(rereadMs)
  seen.push(await disturb(shop, valid), (await sendRaw(baskets.url, { path: '/metrics' })).body)
  assert.equal(await shop.products.stop(), 0)
  const add = { method: 'POST', path: `/baskets/${subject}/items`, body: { product_id: 1, quantity: 1 } }
  for (const one of [...valid, office.key])
    seen.push((await sendRaw(baskets.url, { ...add, headers: { authorization: `Bearer ${one}` } })).body)
  assert.equal(await baskets.stop(), 0)
  return seen.join('\n')
}

const assertAbsent = (secrets: readonly string[], texts: Readonly<Record<string, string>>): void => {
  for (const [name, found] of Object.entries(texts)) {
    // A problem names the path that its own client asked for.
    const text = found.replaceAll(/"instance":"[^"]*"/g, '').toLowerCase()
    for (const secret of secrets) {
      const at = text.indexOf(secret.toLowerCase())
      assert.equal(at, -1, `${name} have ${secret}: ${text.slice(Math.max(0, at - 300), at + 100)}`)
    }
  }
}

for (const format of ['json', 'text'])
  test(`no part of credentials, and no subject, is in ${format} logs, traces, metrics or problems, whatever is sent and whatever fails`, {
    skip: withoutPostgres || withoutOwnRedis,
  }, async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'secrets-'))
    await using collector = await startCollector()
    const own = newApiKey('basket-service', 'stock:hold')
    await writeFile(join(folder.path, 'token'), own.key)
    await using shop = await openShop({
      common: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
        LOG_LEVEL: 'trace',
        LOG_FORMAT: format,
      },
      basket: { PRODUCT_SERVICE_TOKEN_FILE: join(folder.path, 'token') },
    })
    await writeFile(shop.keyFile, shop.office.line + own.line)
    await delay(rereadMs)
    const credentials = await credentialsOf(shop, own.key)
    const problems = await liveThrough(shop, own, credentials)
    const texts = {
      'problems and metrics': problems,
      'lines of products': shop.products.output(),
      'lines of baskets': shop.baskets.output(),
      traces: collector.receivedText(),
    }
    // The run has been recorded.
    assert.match(problems, /"code":"unauthenticated".*"code":"forbidden".*"code":"unavailable"/s)
    assert.match(texts['lines of products'], /CreateProduct/)
    assert.match(texts['lines of baskets'], /\/baskets\/:user_id\/items/)
    for (const name of ['lines of products', 'lines of baskets'] as const)
      assert.match(texts[name], /"event":"audit".*"outcome":"refused"/)
    assert.match(texts.traces, /POST \/baskets\/:user_id\/items/)
    const hashes = [shop.office, own].map(hashOf)
    assertAbsent(
      [...credentials.flatMap(partsOf), ...hashes, 'of-ann-4711', 'key-of-mallory', 'unknown-1'],
      texts,
    )
  })
