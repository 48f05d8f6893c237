import { descriptors } from '@shop/contracts/descriptors.ts'
import { ProductServiceService } from '@shop/contracts/product/product.ts'
import { defaultCurrency } from '@shop/kernel/currency.ts'
import { grpcHealth, grpcReflection } from '@shop/platform/grpc/health-and-reflection.ts'
import { createGrpcServer, type GrpcServerOptions } from '@shop/platform/grpc/server.ts'
import type { Health } from '@shop/platform/health/health.ts'
import type { UseCases } from '../../application/use-cases.ts'
import { productService, writingRpcs } from './product-service.ts'

type Config = Readonly<{ currency?: string; grpc?: Readonly<{ reflection?: boolean; trustProxy?: string }> }>

/** Creates the gRPC server with the health service and, unless disabled, reflection. */
export const createGrpc = (
  use: UseCases,
  health: Health,
  observers: Omit<GrpcServerOptions, 'trustProxy' | 'writes'>,
  { currency = defaultCurrency, grpc: { reflection = true, trustProxy = 'off' } = {} }: Config,
) => {
  const healthService = grpcHealth(health, 'product.ProductService')
  const extensions = reflection ? [grpcReflection(descriptors)] : []
  const options = { ...observers, trustProxy, writes: writingRpcs }
  const grpc = createGrpcServer(ProductServiceService, productService(use, currency), options, [
    healthService,
    ...extensions,
  ])
  return { grpc, healthService }
}
