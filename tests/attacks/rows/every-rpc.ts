import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { callUnread } from '../support/calls.ts'
import { isLong, sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { rpcs } from '../support/rpcs.ts'

const count = sized(100, 1_000)

assert.ok(rpcs.length >= 14, 'health and reflection are found')

/** With window 0, the server keeps the whole of each answer; with the usual one, what does not fit. */
const windows = { 'window 0': 0, ...(isLong && { 'answers that are not read': 65_535 }) }

/** Every RPC of every service, those of health and reflection among them. */
export const everyRpc: readonly Row[] = Object.entries(windows).map(([name, window]) => ({
  name: `Every RPC, ${name}`,
  inSequence: true,
  shared: true,
  attacks: rpcs.map((rpc) => ({
    name: `${rpc.path}: ${count} calls, ${name}`,
    run: async ({ grpcPort }, from) => {
      const calls = Array.from({ length: count }, (_, index) => [rpc, index] as const)
      const ends = !rpc.streams
      using attacker = await callUnread(calls, { port: grpcPort, from: from(), window, ends })
      await delay(sized(100, 2_000))
      return `${attacker.answered()} answered, ${attacker.ended()} ended`
    },
  })),
}))
