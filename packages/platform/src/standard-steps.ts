import type { Cost } from '@shop/kernel/cost.ts'
import type { Rule } from '@shop/kernel/policy.ts'
import type { UseCase, UseCasesOf } from '@shop/kernel/use-case.ts'
import type { Audit } from './audit/audit.ts'
import { audited, auditedRefusals } from './audit/audited.ts'
import { authorized } from './auth/authorized.ts'
import { countedKeys } from './idempotency/counted-keys.ts'
import { limited } from './limits/rates/limited.ts'
import { measured } from './metrics/measured.ts'
import type { Metrics } from './metrics/metrics.ts'
import { pipeline, type Step } from './pipeline.ts'
import { unstoppable } from './resilience/unstoppable.ts'
import { traced } from './tracing/traced.ts'

type UseCases = Readonly<Record<string, UseCase<never, unknown>>>

type StepOptions = Readonly<{
  metrics: Pick<Metrics, 'useCaseDuration' | 'idempotencyKeys'>
  /** The rule of each use case (see `Policy`). */
  policy: Readonly<Record<string, Rule<never>>>
  /** Where to write what becomes of commands, and refusals. */
  audit?: Audit | undefined
  /** The cost of each use case (see `Costs`). */
  costs: Readonly<Record<string, Cost<never>>>
  /** Further steps, outside of the standard ones. */
  outer?: readonly Step[] | undefined
}>

/** Wraps the use cases of a service in what holds for all of them. Commands run to their end, even if their caller leaves. */
export const withStandardSteps = <Commands extends UseCases, Queries extends UseCases>(
  { commands, queries }: Readonly<{ commands: Commands; queries: Queries }>,
  { metrics, policy, costs, audit, outer = [] }: StepOptions,
): UseCasesOf<Commands & Queries> => {
  const isCommand = (name: string): boolean => name in commands
  return pipeline({ ...commands, ...queries }, [
    ...outer,
    traced,
    measured(metrics),
    limited(costs),
    authorized(policy, audit && auditedRefusals(audit)),
    ...(audit === undefined ? [] : [audited(audit, isCommand)]),
    countedKeys(metrics, isCommand),
    unstoppable(isCommand),
  ])
}
