import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { type Client, Metadata, type StatusObject, status } from '@grpc/grpc-js'
import { descriptors } from '@shop/contracts/descriptors.ts'

/** What callers without credentials may call. Everything else needs some. */
export const open: ReadonlySet<string> = new Set([
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
export const needsScope: ReadonlySet<string> = new Set([
  '/product.ProductService/CreateProduct',
  '/product.ProductService/DeleteProduct',
  '/product.ProductService/UpdateProduct',
])

/** The paths of all methods of all services of the port: reflection describes exactly these. */
export const methods = Object.values(descriptors)
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
export const call = (
  client: Client,
  path: string,
  authorization?: string,
): Promise<Pick<StatusObject, 'code'>> => {
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
