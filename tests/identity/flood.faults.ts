import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { forger } from '@shop/testing/auth/forged-tokens.ts'
import type { IssuerMode } from '@shop/testing/auth/issuer.ts'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { type Door, doorsOf } from './support/doors.ts'
import { openShop } from './support/shop.ts'

const connections = 64
const tokensPerDoor = 2_000

/** Generous: the machine also makes the tokens and sends the flood. Without one, it takes a few milliseconds. */
const maxLatencyMs = 2_000
const maxGrowthMb = 120

const memoryMbOf = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024

/** Sends each of the credentials once, from many clients at once. */
const flood = async ({ send }: Door, authorizations: readonly string[]): Promise<void> => {
  const left = [...authorizations]
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop())
        assert.match(await send(next), /^(unauthenticated|unavailable): the (token|signature|keys) /)
    }),
  )
}

/** An innocent client that asks again and again. The returned function stops it, and resolves with its latencies in ascending order. */
const startInnocent = ({ send }: Door, authorization: string) => {
  const stopping = new AbortController()
  const latencies: number[] = []
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const started = performance.now()
      assert.equal(await send(authorization), 'ok')
      latencies.push(performance.now() - started)
      await delay(10)
    }
  })()
  return async (): Promise<readonly number[]> => {
    stopping.abort()
    await running
    return latencies.toSorted((a, b) => a - b)
  }
}

describe('a flood of invalid tokens', {
  skip: process.platform === 'linux' ? withoutPostgres || withoutOwnRedis : 'needs /proc of Linux',
}, () => {
  for (const mode of ['normal', 'hanging'] satisfies IssuerMode[])
    it(`neither stops an innocent client nor fills the memory, while the issuer is ${mode}`, async (context) => {
      await using shop = await openShop()
      const { issuer, products, baskets } = shop
      const forge = await forger(issuer)
      const good = `Bearer ${await issuer.sign()}`
      const agent = new Agent({ keepAlive: true, maxSockets: connections })
      const own = new Agent({ keepAlive: true, maxSockets: 1 })
      using ownDoors = doorsOf(shop, own)
      using doors = doorsOf(shop, agent)
      for (const { send } of ownDoors) assert.equal(await send(good), 'ok')
      const fetchesBefore = issuer.state.fetches.keys
      issuer.state.mode = mode
      for (const [index, door] of doors.entries()) {
        const { pid } = (door.name.startsWith('products') ? products : baskets).process
        const make = async (_: unknown, count: number) =>
          `Bearer ${await (count % 2 === 0 ? forge.ofUnknownKey() : forge.ofAnotherKey())}`
        const bad = await Promise.all(Array.from({ length: tokensPerDoor }, make))
        const memoryBefore = memoryMbOf(pid)
        const stop = startInnocent(ownDoors[index] ?? door, good)
        await flood(door, bad)
        const latencies = await stop()
        const [p50 = 0, slowest = 0] = [latencies[latencies.length >> 1], latencies.at(-1)]
        const growth = memoryMbOf(pid) - memoryBefore
        context.diagnostic(
          `${door.name}: p50 ${p50.toFixed()} ms, slowest ${slowest.toFixed()} ms, ${growth.toFixed()} MB more`,
        )
        assert.ok(slowest < maxLatencyMs, `${door.name}: ${slowest} ms`)
        assert.ok(growth < maxGrowthMb, `${door.name}: ${growth} MB`)
      }
      // Each service asks once for unknown keys, and not again within 30 s.
      if (mode === 'normal') assert.equal(issuer.state.fetches.keys - fetchesBefore, 2)
      agent.destroy()
      own.destroy()
    })
})
