import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { anonymous } from '@shop/kernel/principal.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { openIdentity } from '../../src/auth/open-identity.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'

const ann = newApiKey('ann', 'read')

describe('the identity of callers', async () => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'identity-'))
  after(() => folder.remove())
  const apiKeysFile = join(folder.path, 'keys')
  await writeFile(apiKeysFile, ann.line)

  const open = () => {
    const metrics = createMetrics('test-service', '1.0.0')
    const identity = openIdentity({ mode: 'keys', apiKeysFile }, { logger: silentLogger, metrics })
    assert.ok(identity)
    return { ...identity, count: () => metrics.registry.getSingleMetricAsString('authentications_total') }
  }

  it('is not asked for while AUTH is off', () => {
    const metrics = createMetrics('test-service', '1.0.0')
    assert.equal(
      openIdentity({ mode: 'off', isProduction: true }, { logger: silentLogger, metrics }),
      undefined,
    )
  })

  it('is that of an API key, found without a promise; without credentials it is anonymous', () => {
    const { identify } = open()
    assert.deepEqual(identify(ann.authorization), {
      kind: 'machine',
      name: 'ann',
      scopes: new Set(['read']),
    })
    assert.equal(identify(undefined), anonymous)
  })

  it('is refused to a token where only API keys are accepted, which the client is told', () => {
    const { identify } = open()
    assert.throws(() => identify('Bearer eyJhbGciOiJub25lIn0.e30.'), {
      code: 'unauthenticated',
      message: 'this service accepts API keys only, which begin with shop_, and no tokens',
    })
  })

  it('is counted by the kind of credentials and the outcome, with zeros from the start', async () => {
    const { identify, count } = open()
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
    identify(undefined)
    identify(ann.authorization)
    for (const authorization of [newApiKey('eve').authorization, 'Bearer token', 'Basic YTpi'])
      assert.throws(() => identify(authorization))
    for (const [credentials, outcome] of [
      ['api_key', 'accepted'],
      ['api_key', 'refused'],
      ['token', 'refused'],
      ['malformed', 'refused'],
    ] as const)
      assert.equal(await valueOf(credentials, outcome), 1, `${credentials} ${outcome}`)
    assert.equal((await count()).match(/^authentications_total\{/gm)?.length, 6)
  })
})
