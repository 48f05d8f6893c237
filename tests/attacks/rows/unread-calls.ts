import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { callUnread } from '../support/calls.ts'
import { isLong, sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { rpcs } from '../support/rpcs.ts'

const count = sized(300, 1_000)
const maxCallsOfConnection = 100
/** 30 s, and the interval at which it is checked. */
const cutMs = 45_000

const lists = rpcs.filter(({ isList, changes }) => isList && !changes)
assert.ok(lists.length >= 5, 'every list of the contract is found')

export const unreadCalls: Row = {
  name: '2 · calls whose answers are not taken',
  attacks: lists.map((rpc) => ({
    name: `2 · ${count} ${rpc.path.split('/').at(-1)} on one connection with window 0`,
    run: async ({ grpcPort }, from) => {
      const calls = Array.from({ length: count }, (_, index) => [rpc, index] as const)
      const started = performance.now()
      using attacker = await callUnread(calls, { port: grpcPort, from: from(), window: 0 })
      await delay(sized(500, 5_000))
      const allowed = attacker.allowed() ?? Number.POSITIVE_INFINITY
      assert.ok(allowed <= maxCallsOfConnection, `${allowed} calls on one connection`)
      if (!isLong) return `${attacker.answered()} answered`
      // Calls that waited in the client take the place of those that were cut.
      const ended = attacker.ended()
      const isCut = () => !attacker.isConnected() || attacker.ended() > ended
      await eventually(cutMs, async () => assert.ok(isCut(), `no call was cut in ${cutMs / 1_000} s`))
      return `calls are refused or cut after ${Math.round((performance.now() - started) / 1_000)} s`
    },
  })),
}
