import assert from 'node:assert/strict'
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import {
  ProductServiceClient,
  type ProductServiceServer,
  ProductServiceService,
} from '@shop/contracts/product/product.ts'
import type { Rpcs } from '@shop/platform/grpc/server.ts'
import { openApp } from './store.ts'

/** Each RPC as a function that takes only the request. */
type Calls = {
  readonly [Name in keyof Rpcs<ProductServiceServer>]: (
    request: Parameters<Rpcs<ProductServiceServer>[Name]>[0],
  ) => ReturnType<Rpcs<ProductServiceServer>[Name]>
}

/** Returns the RPCs of the client as functions that return promises, which reject with the `ServiceError`. */
const callsOf = (client: ProductServiceClient): Calls => {
  const call = (name: string) => (request: never) =>
    new Promise((resolve, reject) => {
      const method: ProductServiceClient['getProduct'] = Reflect.get(client, name)
      method.call(client, request, new Metadata(), { deadline: Date.now() + 5_000 }, (error, response) => {
        if (response === undefined) reject(error ?? new Error('neither an error nor a response'))
        else resolve(response)
      })
    })
  return Object.fromEntries(Object.keys(ProductServiceService).map((name) => [name, call(name)])) as Calls
}

/** Opens a client of the gRPC server on this port. */
export const connectTo = (port: number) => {
  const client = new ProductServiceClient(`127.0.0.1:${port}`, credentials.createInsecure())
  return { client, rpc: callsOf(client) }
}

/** Starts the whole service on an embedded store, and opens a client of its gRPC server. */
export const openGrpc = async () => {
  const app = await openApp()
  const { client, rpc } = connectTo(await app.grpc.listen(0))
  return {
    client,
    rpc,
    store: app.store,
    [Symbol.asyncDispose]: async () => {
      client.close()
      await app[Symbol.asyncDispose]()
    },
  }
}

export const invalid = [status.INVALID_ARGUMENT, 'invalid'] as const
export const notFound = [status.NOT_FOUND, 'not_found'] as const
export const unavailable = [status.UNAVAILABLE, 'unavailable'] as const
export const stale = [status.ABORTED, 'stale_version'] as const

/** Checks that the call fails with this status and code, and that its message contains every fragment. */
export const assertFails = async (
  call: Promise<unknown>,
  expected: readonly [status: status, code: string],
  ...fragments: string[]
): Promise<void> => {
  const error: ServiceError = await call.then(
    () => assert.fail('the call succeeded'),
    (reason) => reason,
  )
  assert.deepEqual([error.code, error.metadata.get('error-code')[0]], expected, error.message)
  for (const fragment of fragments) assert.ok(error.details.includes(fragment), error.details)
}
