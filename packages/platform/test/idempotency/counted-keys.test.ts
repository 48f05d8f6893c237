import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Context, systemContext } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { requireSameRequest } from '@shop/kernel/idempotency.ts'
import { countedKeys } from '../../src/idempotency/counted-keys.ts'
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts'
import { pipeline } from '../../src/pipeline.ts'

type Input = 'first' | 'replay' | 'reuse' | 'refused' | 'bug'

const change = async (input: Input, { idempotency }: Context): Promise<Input> => {
  if (input === 'replay') idempotency?.markReplayed()
  if (input === 'reuse' && idempotency) requireSameRequest(idempotency, 'another')
  if (input === 'refused') throw new AppError('unprocessable', 'for another reason')
  if (input === 'bug') throw new TypeError('bug')
  return input
}

/** What the metrics say: outcome → count. */
const counts = async ({ registry }: Metrics): Promise<Record<string, number>> => {
  const text = await registry.getSingleMetricAsString('idempotency_keys_total')
  const samples = text.matchAll(/^idempotency_keys_total{outcome="(\w+)",service="test"} (\d+)$/gm)
  return Object.fromEntries([...samples].map(([, outcome = '', count]) => [outcome, Number(count)]))
}

describe('the metric of idempotency keys', () => {
  it('counts replays and reused keys of commands, and nothing else', async () => {
    const metrics = createMetrics('test', '1.0.0')
    const use = pipeline({ change, read: change }, [countedKeys(metrics, (name) => name === 'change')])
    assert.deepEqual(await counts(metrics), { replayed: 0, reused: 0 })
    const context = systemContext('test')
    let marked = 0
    const idempotency = { key: 'key', fingerprint: 'one', markReplayed: () => void marked++ }
    const keyed = { ...context, idempotency }
    for (const caller of [context, keyed]) {
      for (const input of ['first', 'replay'] as const) assert.equal(await use.change(input, caller), input)
      for (const input of ['refused', 'bug'] as const) await assert.rejects(use.change(input, caller))
    }
    await assert.rejects(use.change('reuse', keyed), {
      code: 'idempotency_key_reused',
      kind: 'unprocessable',
    })
    assert.equal(await use.change('reuse', context), 'reuse')
    await use.read('replay', keyed)
    // The replay of the command, and that of the query, which is not counted.
    assert.equal(marked, 2)
    assert.deepEqual(await counts(metrics), { replayed: 1, reused: 1 })
  })

  it('leaves the rest of the context as it is', async () => {
    const abort = new AbortController()
    const seen: Context[] = []
    const use = pipeline({ change: async (_: object, context: Context) => void seen.push(context) }, [
      countedKeys(createMetrics('test', '1.0.0'), () => true),
    ])
    const idempotency = { key: 'key', fingerprint: 'one', markReplayed: () => {} }
    const given = { ...systemContext('test'), client: '192.0.2.1', signal: abort.signal, idempotency }
    await use.change({}, given)
    const [context] = seen
    assert.deepEqual(
      [context?.requestId, context?.principal, context?.client, context?.signal],
      [given.requestId, given.principal, given.client, given.signal],
    )
    assert.deepEqual([context?.idempotency?.key, context?.idempotency?.fingerprint], ['key', 'one'])
  })
})
