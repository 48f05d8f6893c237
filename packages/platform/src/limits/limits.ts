import { AppError } from '@shop/kernel/errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { type Budget, createBudget, type Exceeded } from './budget.ts'
import { type ClientFinder, clientFinder } from './client.ts'
import { createConnections } from './connections.ts'
import { Holdings } from './holdings.ts'
import { exposeBytes } from './metrics.ts'

/** The limits of one process. Bytes are counted as they are sent: compressed, and without headers. */
export type LimitsConfig = Readonly<{
  /** Connections of all servers of the process. More would use up the file descriptors that the stores need. */
  maxConnections: number
  /** Connections of one client. */
  maxConnectionsPerClient: number
  /** gRPC calls in progress. */
  maxCalls: number
  /** Bytes of request bodies that have been received and are still in use. */
  maxRequestBytes: number
  /** Bytes of responses that clients have not taken yet. */
  maxResponseBytes: number
  /** A connection that has taken nothing of a response for this long is closed. */
  stallLimitMs: number
  /** Once all bytes are in use, a client loses its place after it has kept the others waiting for this long. */
  evictAfterMs: number
}>

export const mebibyte = 1024 * 1024

/** They suit a container with 384 MiB. */
export const defaultLimits: LimitsConfig = {
  maxConnections: 10_000,
  maxConnectionsPerClient: 200,
  maxCalls: 1_000,
  maxRequestBytes: 32 * mebibyte,
  maxResponseBytes: 64 * mebibyte,
  stallLimitMs: 40_000,
  evictAfterMs: 5_000,
}

/** One client may use a quarter: two or three together do not take the service from the others. */
const shareOf = (total: number): number => Math.ceil(total / 4)

const quarterShares = (total: number): Budget => createBudget({ total, share: shareOf(total) })

type Resource = 'connections' | 'calls' | 'requestBytes' | 'responseBytes'

const messages: Readonly<Record<Resource, string>> = {
  connections: 'connections',
  calls: 'calls in progress',
  requestBytes: 'request bodies in progress',
  responseBytes: 'responses that are not read',
}

/** Created once: an attack produces many refusals, and each error would capture its own stack trace. */
export const refusalsOf = (what: string): Readonly<Record<Exceeded, AppError>> => ({
  client: new AppError('rate_limited', `too many ${what} from your address, try again later`),
  total: new AppError('unavailable', `too many ${what}, try again later`),
})

const refusals = {
  connections: refusalsOf(messages.connections),
  calls: refusalsOf(messages.calls),
  requestBytes: refusalsOf(messages.requestBytes),
  responseBytes: refusalsOf(messages.responseBytes),
} as const satisfies Record<Resource, unknown>

const reasons = {
  connections: 'connections',
  calls: 'calls',
  requestBytes: 'request_bytes',
  responseBytes: 'response_bytes',
} as const satisfies Record<Resource, string>

/** Prometheus needs the 0 to notice the first refusal: a counter that begins at 5 has no rate. */
export const beginRefusals = ({ refusals: refused }: Pick<Metrics, 'refusals'>, reason: string): void => {
  for (const scope of ['client', 'total']) refused.inc({ reason, scope }, 0)
}

const beginCounters = (metrics: Pick<Metrics, 'refusals' | 'responsesCut'>): void => {
  for (const reason of Object.values(reasons)) beginRefusals(metrics, reason)
  for (const reason of ['stalled', 'evicted']) metrics.responsesCut.inc({ reason }, 0)
}

/**
 * What the clients of one process share: its connections, calls and memory. Both servers of a service use the same
 * limits. docs/limits.md describes each.
 */
export const createLimits = (
  config: LimitsConfig,
  trustedNetworks: string,
  metrics: Pick<Metrics, 'refusals' | 'responsesCut' | 'registry' | 'watchServerConnections'>,
) => {
  const budgets = {
    calls: quarterShares(config.maxCalls),
    requestBytes: quarterShares(config.maxRequestBytes),
    responseBytes: quarterShares(config.maxResponseBytes),
  } as const satisfies Record<Exclude<Resource, 'connections'>, Budget>
  const findClient: ClientFinder = clientFinder(trustedNetworks)
  exposeBytes(metrics.registry, budgets)
  const connections = createConnections(
    { total: config.maxConnections, share: config.maxConnectionsPerClient },
    findClient,
  )
  metrics.watchServerConnections(connections)
  beginCounters(metrics)
  return {
    ...budgets,
    connections,
    findClient,
    stallLimitMs: config.stallLimitMs,
    /** The request bodies in use. Those that have not arrived completely may be evicted. */
    bodies: new Holdings(budgets.requestBytes, { graceMs: config.evictAfterMs }),
    /** The responses that clients have not taken yet. */
    responses: new Holdings(budgets.responseBytes, {
      graceMs: config.evictAfterMs,
      onEvict: () => metrics.responsesCut.inc({ reason: 'evicted' }),
    }),
    /** Counts a refusal, and returns the error for its caller: `rate_limited` or `unavailable`. */
    refuse: (resource: Resource, exceeded: Exceeded): AppError => {
      metrics.refusals.inc({ reason: reasons[resource], scope: exceeded })
      return refusals[resource][exceeded]
    },
  }
}

export type Limits = ReturnType<typeof createLimits>
