import type { AuditConfig } from '@shop/platform/audit/config.ts'
import { openAudit } from '@shop/platform/audit/open-audit.ts'
import type { Rates } from '@shop/platform/limits/rates/rates.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { withStandardSteps } from '@shop/platform/standard-steps.ts'
import { auditTargets } from './application/audit-targets.ts'
import { costs } from './application/costs.ts'
import { policyOf } from './application/policy.ts'
import { useCases } from './application/use-cases.ts'
import { service } from './config.ts'
import type { Ports } from './domain/ports.ts'
import { auditedBaskets } from './infrastructure/audited-baskets.ts'
import { createKnownGuests } from './infrastructure/known-guests.ts'
import { limitNewBaskets } from './infrastructure/limited-new-baskets.ts'

type Options = Readonly<{
  newBasketsPerHour?: number
  guests?: boolean
  audit?: AuditConfig | undefined
  steps?: readonly Step[] | undefined
}>

type Observers = Readonly<{ logger: Logger; metrics: Metrics; rates: Rates }>

/**
 * Wires the use cases: ports → use cases → standard steps, with the audit log, which is to be disposed of last. `isKnownGuest` says
 * whether a guest has used its basket lately.
 */
export const wireUseCases = (
  ports: Ports,
  { newBasketsPerHour = 0, guests = true, audit: config, steps = [] }: Options,
  { logger, metrics, rates }: Observers,
) => {
  const audit = openAudit(config, { logger, metrics, service, targets: auditTargets })
  const baskets = limitNewBaskets(auditedBaskets(ports.baskets), newBasketsPerHour, { rates, metrics })
  const { isKnown: isKnownGuest, remembering } = createKnownGuests()
  const standard = { metrics, policy: policyOf({ guests }), costs, audit, outer: [...steps, remembering] }
  return { use: withStandardSteps(useCases({ ...ports, baskets }), standard), audit, isKnownGuest }
}
