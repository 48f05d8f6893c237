import type { ServerMethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import type { Method } from './call-server.ts'
import { callRecorder, type Recorders } from './record-calls.ts'

const healthService = 'grpc.health.v1.Health'

/** The full name of a service, by the path of its first method. */
const serviceNameOf = (definition: ServiceDefinition): string =>
  Object.values(definition)[0]?.path.split('/')[1] ?? ''

/**
 * Returns a function that finds what is known about a method. There are only as many as the server has. `definition` is the service
 * whose methods call use cases, `writes` are the names of its handlers that write.
 */
export const methodFinder = (
  recorders: Recorders,
  definition: ServiceDefinition,
  writes: readonly string[] = [],
) => {
  const ownService = serviceNameOf(definition)
  const writePaths = new Set(writes.map((name) => definition[name]?.path))
  const methods = new Map<string, Method>()
  return ({ path, requestStream, responseStream }: ServerMethodDefinition<unknown, unknown>): Method => {
    const known = methods.get(path)
    if (known !== undefined) return known
    const name = path.slice(1)
    const [service = ''] = name.split('/')
    const isHealth = service === healthService
    const method: Method = {
      name,
      service,
      isOpen: isHealth,
      hasRules: service === ownService,
      kind: isHealth ? undefined : writePaths.has(path) ? 'writes' : 'reads',
      isHealthCheck: isHealth && !responseStream,
      hasRequestStream: requestStream,
      record: callRecorder(name, recorders, isHealth ? 'debug' : 'info'),
    }
    methods.set(path, method)
    return method
  }
}
