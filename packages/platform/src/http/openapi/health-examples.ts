import type { HealthReport } from '../../health/health.ts'
import { type Document, mapOperations, mapResponses, mapValues } from './document.ts'

/** The same report while every dependency is down. */
const whenDown = (healthy: HealthReport): HealthReport => ({
  ...healthy,
  status: 'unhealthy',
  checks: mapValues(healthy.checks, (check) => ({ ...check, status: 'down' as const })),
})

/** Adds examples to the responses that are health reports: the given one, or for 503 one that is unhealthy. */
export const addHealthExamples = (document: Document, healthy: HealthReport | undefined): Document =>
  healthy === undefined
    ? document
    : mapOperations(document, (operation) =>
        mapResponses(operation, (response, status) => {
          const media = response.content?.['application/json']
          if (media?.schema?.['$ref'] !== '#/components/schemas/Health') return response
          const example = status === '503' ? whenDown(healthy) : healthy
          return { ...response, content: { ...response.content, 'application/json': { ...media, example } } }
        }),
      )
