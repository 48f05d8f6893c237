import type { Server, ServerWritableStream } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Health } from '../health/health.ts'

export type AddService = Server['addService']

/** An additional service of a gRPC server. */
export type GrpcExtension = Readonly<{ addToServer: (server: Readonly<{ addService: AddService }>) => void }>

type WatchHandler = (call: ServerWritableStream<{ service: string }, { status: string }>) => void

/**
 * Returns a handler of Watch that does not pass on calls for unknown services. The library would keep their names, which
 * have up to 64 KiB, for ever.
 */
const watchKnown =
  (watch: WatchHandler, services: readonly string[]): WatchHandler =>
  (call) => {
    if (services.includes(call.request.service)) watch(call)
    else call.write({ status: 'SERVICE_UNKNOWN' })
  }

/**
 * The standard `grpc.health.v1.Health` service (Check, Watch, List), for the whole server (`""`) and for its
 * service. The status is SERVING while the service is ready, as of the last call of `refresh`.
 */
export const grpcHealth = (health: Health, service: string) => {
  const implementation = new HealthImplementation({ '': 'NOT_SERVING', [service]: 'NOT_SERVING' })
  let last = 'NOT_SERVING'
  const refresh = async () => {
    const status = (await health.report()).status === 'unhealthy' ? 'NOT_SERVING' : 'SERVING'
    if (status === last) return
    last = status
    for (const name of ['', service]) implementation.setStatus(name, status)
  }
  const addToServer: GrpcExtension['addToServer'] = ({ addService }) =>
    implementation.addToServer({
      addService: (definition, { watch, ...handlers }) => {
        if (watch === undefined) throw new Error('the health service has no Watch')
        addService(definition, { ...handlers, watch: watchKnown(watch as WatchHandler, ['', service]) })
      },
    })
  return { addToServer, refresh }
}

/**
 * Server reflection, v1 and v1alpha, so that generic clients need no local copy of the contract. It describes the proto
 * files of these descriptors (path → FileDescriptorProto in base64), and lists all services in them.
 */
export const grpcReflection = (descriptors: Readonly<Record<string, string>>): GrpcExtension => {
  const fileDescriptorProtos = Object.values(descriptors).map((file) => Buffer.from(file, 'base64'))
  // Its type asks for the definitions of `loadSync`, but the library reads only their descriptors.
  const format = 'Protocol Buffer 3 DescriptorProto'
  const reflection = new ReflectionService({ files: { format, type: {}, fileDescriptorProtos } as never })
  return { addToServer: (server) => reflection.addToServer(server) }
}
