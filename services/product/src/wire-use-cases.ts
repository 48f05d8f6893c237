import type { AuditConfig } from '@shop/platform/audit/config.ts'
import { openAudit } from '@shop/platform/audit/open-audit.ts'
import type { Logger } from '@shop/platform/logging/logger.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import type { Step } from '@shop/platform/pipeline.ts'
import { withStandardSteps } from '@shop/platform/standard-steps.ts'
import { auditTargets } from './application/audit-targets.ts'
import { costs } from './application/costs.ts'
import { policy } from './application/policy.ts'
import { useCases } from './application/use-cases.ts'
import { service } from './config.ts'
import type { Ports } from './domain/ports.ts'
import { auditedProducts } from './infrastructure/writing/audited-products.ts'

type Options = Readonly<{ audit?: AuditConfig | undefined; steps?: readonly Step[] | undefined }>

/** Wires the use cases: ports → use cases → standard steps, with the audit log, which is to be disposed of last. */
export const wireUseCases = (
  ports: Ports,
  { audit: config, steps }: Options,
  { logger, metrics }: Readonly<{ logger: Logger; metrics: Metrics }>,
) => {
  const audit = openAudit(config, { logger, metrics, service, targets: auditTargets })
  const all = useCases({ ...ports, products: auditedProducts(ports.products) })
  const use = withStandardSteps(all, { metrics, policy, costs, audit, outer: steps })
  return { use, audit }
}
