import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unrestricted } from '@shop/kernel/principal.ts'
import { KeyedContext } from '../../src/idempotency/keyed-context.ts'
import { unstoppable } from '../../src/resilience/unstoppable.ts'

const { signal } = new AbortController()
const context = {
  requestId: 'r1',
  principal: unrestricted,
  client: 'c',
  allowance: { take: () => undefined },
  signal,
}
const idempotency = { key: 'k', fingerprint: 'f', markReplayed: () => {} }

test('a context with a key has what that without one has', () => {
  const keyed = new KeyedContext(context, idempotency)
  const { requestId, principal, client, allowance, idempotency: own, signal: ownSignal } = keyed
  assert.deepEqual(
    { requestId, principal, client, allowance, idempotency: own, signal: ownSignal },
    { ...context, idempotency },
  )
})

test('a command that nobody can stop knows its caller and its key', async () => {
  const use = unstoppable(() => true)(async (_: object, received) => received, 'create')
  const received = await use({}, new KeyedContext(context, idempotency))
  assert.deepEqual(received, { ...context, idempotency, signal: undefined })
})
