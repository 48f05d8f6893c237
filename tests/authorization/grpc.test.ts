import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Client, credentials, Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { descriptors } from '@shop/contracts/descriptors.ts'
import { openServices } from './support.ts'

/** What callers without credentials may call. Everything else needs some. */
const open: ReadonlySet<string> = new Set([
  '/grpc.health.v1.Health/Check',
  '/grpc.health.v1.Health/List',
  '/grpc.health.v1.Health/Watch',
  '/product.ProductService/BatchGetProducts',
  '/product.ProductService/GetLowStockProducts',
  '/product.ProductService/GetProduct',
  '/product.ProductService/GetProductsByCategory',
  '/product.ProductService/GetTopMostExpensiveProducts',
  '/product.ProductService/ListProducts',
])

/** What needs the scope. Further methods are for everybody who has valid credentials. */
const needsScope: ReadonlySet<string> = new Set([
  '/product.ProductService/CreateProduct',
  '/product.ProductService/DeleteProduct',
  '/product.ProductService/UpdateProduct',
])

/** The paths of all methods of all services of the port: reflection describes exactly these. */
const methods = Object.values(descriptors)
  .map((file) => fromBinary(FileDescriptorProtoSchema, Buffer.from(file, 'base64')))
  .flatMap((file) =>
    file.service.flatMap(({ name, method }) => method.map((one) => `/${file.package}.${name}/${one.name}`)),
  )
  .toSorted()

/** The requests that are not empty: these would not be valid if they were. Each is `{ id: 1 }`. */
const requests: Readonly<Record<string, Buffer>> = {
  '/product.ProductService/DeleteProduct': Buffer.from([8, 1]),
  '/product.ProductService/UpdateProduct': Buffer.from([8, 1]),
}

/** Sends a request. Resolves with the status, or with OK as soon as a response arrives. */
const call = (client: Client, path: string, authorization?: string): Promise<Pick<StatusObject, 'code'>> => {
  const metadata = new Metadata()
  if (authorization !== undefined) metadata.set('authorization', authorization)
  const encode = () => requests[path] ?? Buffer.alloc(0)
  const stream = client.makeBidiStreamRequest(path, encode, String, metadata, {
    deadline: Date.now() + 5_000,
  })
  return new Promise((resolve) => {
    stream.on('error', () => {})
    stream.on('status', resolve)
    stream.on('data', () => {
      resolve({ code: status.OK })
      stream.cancel()
    })
    stream.write({})
    stream.end()
  })
}

describe('the gRPC port', async () => {
  const services = await openServices()
  const port = await services.product.grpc.listen(0, '127.0.0.1')
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  after(() => {
    client.close()
    return services[Symbol.asyncDispose]()
  })
  const refused = new Set<number>([status.UNAUTHENTICATED, status.PERMISSION_DENIED])
  const refusalOf = async (path: string, authorization?: string) => {
    const { code } = await call(client, path, authorization)
    assert.notEqual(code, status.UNIMPLEMENTED, path)
    assert.notEqual(code, status.DEADLINE_EXCEEDED, path)
    return refused.has(code) ? code : undefined
  }

  it('has the methods that are named here', () => {
    for (const path of [...open, ...needsScope]) assert.ok(methods.includes(path), path)
    assert.ok(methods.some((path) => path.startsWith('/grpc.reflection.v1.')))
  })

  for (const path of methods)
    it(`refuses ${path} as its rule says`, async () => {
      const withoutCredentials = open.has(path) ? undefined : status.UNAUTHENTICATED
      assert.equal(await refusalOf(path), withoutCredentials, 'without credentials')
      const withInvalid = path.startsWith('/grpc.health.') ? undefined : status.UNAUTHENTICATED
      assert.equal(await refusalOf(path, 'Bearer nonsense'), withInvalid, 'with invalid credentials')
      const withoutScope = needsScope.has(path) ? status.PERMISSION_DENIED : undefined
      assert.equal(await refusalOf(path, 'Bearer stranger'), withoutScope, 'without the scope')
      assert.equal(await refusalOf(path, 'Bearer editor'), undefined, 'with the scope')
    })
})
