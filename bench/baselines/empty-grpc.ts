/** The limit of the gRPC library: the handlers do no work and always return the same product. */

import { Server, ServerCredentials } from '@grpc/grpc-js'
import { Product, type ProductServiceServer, ProductServiceService } from '@shop/contracts/product/product.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import Fastify from 'fastify'

const product = Product.fromPartial({
  id: 1,
  name: 'Grey lamp 1',
  description: 'A lamp made of grey tin. '.repeat(3),
  price: 14.99,
  stock: 75,
  category: 'Books',
  createdAt: '2026-11-22T09:58:00.123Z',
  updatedAt: '2026-11-22T09:58:00.123Z',
  version: 3,
})

await run(async () => {
  const grpc = new Server()
  const service = {
    getProduct: (_call, callback) => callback(null, { product }),
    batchGetProducts: ({ request }, callback) => callback(null, { products: request.ids.map(() => product) }),
  } satisfies Partial<ProductServiceServer>
  grpc.addService(ProductServiceService, service)
  await new Promise((resolve) =>
    grpc.bindAsync(`127.0.0.1:${process.env['GRPC_PORT']}`, ServerCredentials.createInsecure(), resolve),
  )
  // Only for the readiness check, which uses HTTP.
  const app = Fastify()
  app.get('/health/live', () => 'alive')
  await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
  await new Promise((resolve) => process.once('SIGTERM', resolve))
  grpc.forceShutdown()
  await app.close()
})
