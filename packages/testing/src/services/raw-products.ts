import { type handleUnaryCall, Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js'
import {
  type BatchGetProductsRequest,
  type BatchGetProductsResponse,
  type Product,
  ProductServiceService,
} from '@shop/contracts/product/product.ts'

export const orwell: Product = {
  id: 7,
  name: '1984',
  description: 'A novel',
  price: 14.99,
  stock: 75,
  category: 'Books',
  createdAt: '2026-11-22T09:58:00.123Z',
  updatedAt: '2026-11-22T09:58:00.123Z',
  version: 3,
  currency: 'EUR',
  groupId: '',
}

export type BatchGetProducts = handleUnaryCall<BatchGetProductsRequest, BatchGetProductsResponse>

type Options = Readonly<{ address?: string; credentials?: ServerCredentials; server?: ServerOptions }>

/**
 * Starts a plain grpc-js server that implements only `BatchGetProducts`, without any of our own gRPC code.
 * Disposing of it breaks its connections.
 */
export const startProductStub = async (
  batchGetProducts: BatchGetProducts,
  {
    address = '127.0.0.1:0',
    credentials = ServerCredentials.createInsecure(),
    server: options,
  }: Options = {},
) => {
  const server = new Server(options)
  server.addService(ProductServiceService, { batchGetProducts })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  return { port, [Symbol.dispose]: () => server.forceShutdown() }
}
