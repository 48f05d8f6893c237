import type { Server } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import type { Health } from '../health/health.ts'

/** An additional service of a gRPC server. */
export type GrpcExtension = Readonly<{ addToServer: (server: Server) => void }>

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
  return { addToServer: (server: Server) => implementation.addToServer(server), refresh }
}

/** Server reflection, v1 and v1alpha, so that generic clients need no local copy of the contract. */
export const grpcReflection = (protoFolder: string, protoFile: string): GrpcExtension => {
  // Keeps the field names of the contract; the loader would convert them to camelCase.
  const contract = loadSync(protoFile, { includeDirs: [protoFolder], keepCase: true })
  const reflection = new ReflectionService(contract)
  return { addToServer: (server) => reflection.addToServer(server) }
}
