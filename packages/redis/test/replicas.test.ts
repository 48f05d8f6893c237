import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RedisClientType } from '@redis/client'
import { coded } from '@shop/testing/asserts/coded.ts'
import { refusalsOf } from '../src/command-guard.ts'
import { replication } from '../src/replicas.ts'

const refusals = refusalsOf('the store')

/** A client whose WAITs are answered, one by one, by the test. */
const fakeClient = () => {
  const answers: ((replicas: number) => void)[] = []
  const client = {
    socketEpoch: 1,
    wait: () => new Promise<number>((resolve) => answers.push(resolve)),
  }
  return { client, answers, asClient: client as unknown as RedisClientType }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('waiting for replicas', () => {
  it('is done once for all writes that were answered before', async () => {
    const { answers, asClient } = fakeClient()
    const replicated = replication(1, refusals)
    const first = replicated(asClient, 1)
    await turn()
    const others = Array.from({ length: 50 }, () => replicated(asClient, 1))
    await turn()
    assert.equal(answers.length, 1)
    answers[0]?.(1)
    await first
    await turn()
    assert.equal(answers.length, 2)
    answers[1]?.(1)
    const tooMany = turn().then(() => assert.fail('more than one WAIT'))
    await Promise.race([Promise.all(others), tooMany])
  })

  it('ends in a refusal when too few have the write', async () => {
    const { answers, asClient } = fakeClient()
    const waited = assert.rejects(replication(2, refusals)(asClient, 1), coded('unavailable'))
    await turn()
    answers[0]?.(1)
    await waited
  })

  it('is never done on another connection than that of the write', async () => {
    const { client, answers, asClient } = fakeClient()
    const replicated = replication(1, refusals)
    const first = replicated(asClient, 1)
    await turn()
    const second = assert.rejects(replicated(asClient, 1), coded('unavailable'))
    client.socketEpoch = 2
    const third = replicated(asClient, 2)
    answers[0]?.(1)
    await first
    await turn()
    answers[1]?.(1)
    await Promise.all([second, third])
    assert.equal(answers.length, 2)
  })
})
