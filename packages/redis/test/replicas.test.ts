import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RedisClientType } from '@redis/client'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { storeErrors } from '../src/command-guard.ts'
import { createReplicaWait } from '../src/replicas.ts'

const errors = storeErrors('the store')

/** A client whose WAIT replies are sent by the test, one by one. */
const fakeClient = () => {
  const replies: ((replicas: number) => void)[] = []
  const client = {
    socketEpoch: 1,
    wait: () => new Promise<number>((resolve) => replies.push(resolve)),
  }
  return { client, replies, asClient: client as unknown as RedisClientType }
}

const nextTick = () => new Promise((resolve) => setImmediate(resolve))

describe('waiting for replicas', () => {
  it('sends one WAIT for all writes that finished during the previous WAIT', async () => {
    const { replies, asClient } = fakeClient()
    const waitForReplicas = createReplicaWait(1, errors)
    const first = waitForReplicas(asClient, 1)
    await nextTick()
    const others = Array.from({ length: 50 }, () => waitForReplicas(asClient, 1))
    await nextTick()
    assert.equal(replies.length, 1)
    replies[0]?.(1)
    await first
    await nextTick()
    assert.equal(replies.length, 2)
    replies[1]?.(1)
    const timeout = nextTick().then(() => assert.fail('expected a single WAIT'))
    await Promise.race([Promise.all(others), timeout])
  })

  it('rejects when too few replicas have the write', async () => {
    const { replies, asClient } = fakeClient()
    const rejection = assert.rejects(createReplicaWait(2, errors)(asClient, 1), hasCode('unavailable'))
    await nextTick()
    replies[0]?.(1)
    await rejection
  })

  it('rejects instead of sending WAIT on a connection other than that of the write', async () => {
    const { client, replies, asClient } = fakeClient()
    const waitForReplicas = createReplicaWait(1, errors)
    const first = waitForReplicas(asClient, 1)
    await nextTick()
    const second = assert.rejects(waitForReplicas(asClient, 1), hasCode('unavailable'))
    client.socketEpoch = 2
    const third = waitForReplicas(asClient, 2)
    replies[0]?.(1)
    await first
    await nextTick()
    replies[1]?.(1)
    await Promise.all([second, third])
    assert.equal(replies.length, 2)
  })
})
