import type { FastifyInstance } from 'fastify'
import type { Limits } from '../../limits/limits.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import { identifyClients } from '../edge/client.ts'
import { limitRequestBodies } from '../edge/request-bodies.ts'
import { closeStalledConnections } from '../responses/stalled-connections.ts'
import { limitUnreadResponses } from '../responses/unread.ts'

/** Gives each client its share. Before all hooks that may refuse a request, and after compression: what is sent counts. */
export const limitClients = (app: FastifyInstance, limits: Limits, { responsesCut }: Metrics): void => {
  identifyClients(app, limits.findClient)
  limitUnreadResponses(app, limits)
  closeStalledConnections(app, limits.stallLimitMs, () => responsesCut.inc({ reason: 'stalled' }))
  limitRequestBodies(app, limits)
}
