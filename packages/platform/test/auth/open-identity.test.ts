import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { anonymous } from '@shop/kernel/principal.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { startIssuer } from '@shop/testing/auth/issuer.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { openIdentity } from '../../src/auth/open-identity.ts'
import { createRates } from '../../src/limits/rates/rates.ts'
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts'

const ann = newApiKey('ann', 'read')

const observersOf = (metrics: Metrics) => {
  const observers = { logger: silentLogger, metrics }
  const rates = { processes: 1, ...observers }
  return { ...observers, rates: createRates(rates) }
}

describe('the identity of callers', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'identity-'))
  after(() => folder.remove())
  const apiKeysFile = join(folder.path, 'keys')
  await writeFile(apiKeysFile, ann.line)

  const open = async () => {
    const metrics = createMetrics('test-service', '1.0.0')
    const identity = await openIdentity({ mode: 'keys', apiKeysFile }, observersOf(metrics))
    assert.ok(identity)
    return { ...identity, count: () => metrics.registry.getSingleMetricAsString('authentications_total') }
  }

  it('is not asked for while AUTH is off', async () => {
    const metrics = createMetrics('test-service', '1.0.0')
    assert.equal(await openIdentity({ mode: 'off', isProduction: true }, observersOf(metrics)), undefined)
  })

  it('is that of an API key, found without a promise; without credentials it is anonymous', async () => {
    const { identify } = await open()
    assert.deepEqual(identify(ann.authorization), {
      kind: 'machine',
      name: 'ann',
      scopes: new Set(['read']),
    })
    assert.equal(identify(undefined), anonymous)
  })

  it('is refused to a token where only API keys are accepted, which the client is told', async () => {
    const { identify } = await open()
    await assert.rejects(async () => identify('Bearer eyJhbGciOiJub25lIn0.e30.'), {
      code: 'unauthenticated',
      message: 'this service accepts API keys only, which begin with shop_, and no tokens',
    })
  })

  it('is counted by the kind of credentials and the outcome, with zeros from the start', async () => {
    const { identify, count } = await open()
    const valueOf = async (credentials: string, outcome: string) => {
      const line = (await count())
        .split('\n')
        .find(
          (text) => text.includes(`credentials="${credentials}"`) && text.includes(`outcome="${outcome}"`),
        )
      return Number(line?.split(' ').at(-1))
    }
    for (const [credentials, outcome] of [
      ['api_key', 'accepted'],
      ['api_key', 'refused'],
      ['token', 'refused'],
      ['malformed', 'refused'],
    ] as const)
      assert.equal(await valueOf(credentials, outcome), 0, `${credentials} ${outcome}`)
    await identify(undefined)
    await identify(ann.authorization)
    for (const authorization of [newApiKey('eve').authorization, 'Bearer token', 'Basic YTpi'])
      await assert.rejects(async () => identify(authorization))
    for (const [credentials, outcome] of [
      ['api_key', 'accepted'],
      ['api_key', 'refused'],
      ['token', 'refused'],
      ['malformed', 'refused'],
    ] as const)
      assert.equal(await valueOf(credentials, outcome), 1, `${credentials} ${outcome}`)
    assert.equal((await count()).match(/^authentications_total\{/gm)?.length, 6)
  })

  it('is not checked for a client that has failed too often, unless it is known: an API key, or a token that was checked', async () => {
    await using issuer = await startIssuer()
    const metrics = createMetrics('test-service', '1.0.0')
    const { url, audience } = issuer
    const tokens = {
      issuer: url,
      audience,
      typ: 'at+jwt',
      keys: { kind: 'issuer' },
      allowHttp: true,
    } as const
    const identity = await openIdentity({ mode: 'jwt', apiKeysFile, tokens }, observersOf(metrics))
    const identify = async (authorization: string, client: string) =>
      identity?.identify(authorization, client)
    const [known, fresh] = [
      `Bearer ${await issuer.sign({ sub: 'ann' })}`,
      `Bearer ${await issuer.sign({ sub: 'ben' })}`,
    ]
    await identify(known, '203.0.113.7')
    const bad = ['Bearer token', 'Basic YTpi', newApiKey('eve').authorization, `${fresh}x`]
    for (let count = 0; count < 100; count++)
      await assert.rejects(identify(bad[count % bad.length] ?? '', '203.0.113.7'), hasCode('unauthenticated'))
    for (const authorization of [...bad, fresh])
      await assert.rejects(identify(authorization, '203.0.113.7'), hasCode('rate_limited'))
    assert.equal((await identify(known, '203.0.113.7'))?.kind, 'user')
    assert.equal((await identify(ann.authorization, '203.0.113.7'))?.kind, 'machine')
    assert.equal((await identify(fresh, '203.0.113.8'))?.kind, 'user')
    const text = await metrics.registry.metrics()
    const total = (outcome: string) =>
      [...text.matchAll(new RegExp(`^authentications_total.*outcome="${outcome}".* (\\d+)$`, 'gm'))].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    // What is refused without a check is no authentication.
    assert.deepEqual([total('refused'), total('accepted')], [100, 4])
    assert.match(text, /^requests_refused_total\{reason="failed_authentications",scope="client",.*\} 5$/m)
  })

  it('is that of a token or of an API key where both are accepted, and names the issuer', async () => {
    await using issuer = await startIssuer()
    const metrics = createMetrics('test-service', '1.0.0')
    const { url, audience } = issuer
    const tokens = {
      issuer: url,
      audience,
      typ: 'at+jwt',
      keys: { kind: 'issuer' },
      allowHttp: true,
    } as const
    const identity = await openIdentity({ mode: 'jwt', apiKeysFile, tokens }, observersOf(metrics))
    assert.ok(identity)
    const token = `Bearer ${await issuer.sign({ sub: 'ann', scope: 'write' })}`
    assert.deepEqual(await identity.identify(token), {
      kind: 'user',
      subject: 'ann',
      scopes: new Set(['write']),
    })
    assert.ok(!(identity.identify(token) instanceof Promise), 'it is remembered')
    assert.deepEqual(identity.identify(ann.authorization), {
      kind: 'machine',
      name: 'ann',
      scopes: new Set(['read']),
    })
    assert.deepEqual([identity.issuer, identity.audience], [url, audience])
    assert.deepEqual(identity.dependencies.map(({ name }) => name).toSorted(), ['api-keys', 'issuer'])
    const text = await metrics.registry.metrics()
    assert.match(text, /^authentications_total\{credentials="token",outcome="accepted",.*\} 2$/m)
    assert.match(text, /^token_keys_age_seconds\{.*\} \d+(\.\d+)?$/m)
  })

  it('of a token is unavailable while the keys of the issuer are not known, which is counted', async () => {
    await using issuer = await startIssuer()
    const token = `Bearer ${await issuer.sign()}`
    await issuer.stop()
    const metrics = createMetrics('test-service', '1.0.0')
    const { url, audience } = issuer
    const tokens = {
      issuer: url,
      audience,
      typ: 'at+jwt',
      keys: { kind: 'issuer' },
      allowHttp: true,
    } as const
    const identity = await openIdentity({ mode: 'jwt', apiKeysFile: undefined, tokens }, observersOf(metrics))
    await assert.rejects(async () => identity?.identify(token), hasCode('unavailable'))
    await assert.rejects(async () => identity?.identify(ann.authorization), {
      code: 'unauthenticated',
      message: 'this service accepts no API keys',
    })
    const text = await metrics.registry.metrics()
    assert.match(text, /^authentications_total\{credentials="token",outcome="unavailable",.*\} 1$/m)
  })
})
