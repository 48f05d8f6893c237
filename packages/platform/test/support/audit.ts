import type { TargetOf } from '@shop/kernel/audit.ts'
import type { Context } from '@shop/kernel/context.ts'
import { single } from '@shop/kernel/cost.ts'
import { anybody } from '@shop/kernel/policy.ts'
import type { Principal } from '@shop/kernel/principal.ts'
import type { Audit } from '../../src/audit/audit.ts'
import { recordUpdate } from '../../src/audit/write-record.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { withStandardSteps } from '../../src/standard-steps.ts'

export const machine: Principal = { kind: 'machine', name: 'office', scopes: new Set() }

export const contextOf = (principal: Principal, requestId = 'r1') => ({ requestId, principal })

type Change = Readonly<{ id: number; fails?: Error; hangs?: boolean; replays?: boolean }>

export const targets: Readonly<Record<string, TargetOf<never, never>>> = {
  change: ({ id }: Change) => ({ type: 'thing', id }),
}

/** A service with one command, whose store has a thing at version 1. `fails` is thrown after the store has got the write. */
export const serviceWith = (audit: Audit | undefined) => {
  const change = async (
    { fails, hangs = false, replays = false }: Change,
    { idempotency }: Context,
  ): Promise<void> => {
    await recordUpdate(
      (stored: Readonly<{ version: number }> | undefined) => ({ ...stored }),
      async (changeOne) => {
        changeOne({ version: 1 })
        if (hangs) await new Promise(() => {})
        if (fails !== undefined) throw fails
        return { version: 2 }
      },
      (error) => error instanceof Error && error.message === 'lost',
    )
    if (replays) idempotency?.markReplayed()
  }
  return withStandardSteps(
    { commands: { change }, queries: {} },
    { metrics: createMetrics('test', '1'), policy: { change: anybody }, costs: { change: single }, audit },
  )
}
