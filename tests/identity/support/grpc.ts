import { connect, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { status } from '@grpc/grpc-js'
import {
  CreateProductRequest,
  DeleteProductRequest,
  GetProductRequest,
  ProductServiceService,
  UpdateProductRequest,
} from '@shop/contracts/product/product.ts'

const kinds: Readonly<Record<number, string>> = {
  [status.OK]: 'ok',
  [status.NOT_FOUND]: 'ok',
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'forbidden',
  [status.UNAVAILABLE]: 'unavailable',
}

const framed = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(5 + message.length)
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, 5)
  return frame
}

const product = {
  name: 'Emma',
  description: '',
  price: 1,
  stock: 5,
  category: '',
  groupId: '',
  requestId: '',
}

/** Requests by the path of their method. */
export const calls = {
  get: [ProductServiceService.getProduct.path, GetProductRequest.encode({ id: 1 }).finish()],
  create: [ProductServiceService.createProduct.path, CreateProductRequest.encode(product).finish()],
  update: [
    ProductServiceService.updateProduct.path,
    UpdateProductRequest.encode({ id: 1, version: 0, ...product }).finish(),
  ],
  delete: [
    ProductServiceService.deleteProduct.path,
    DeleteProductRequest.encode({ id: 1, version: 0, requestId: '' }).finish(),
  ],
} as const

/** Opens an HTTP/2 connection to the gRPC port. A client of the library would not send what an attacker may. */
export const openGrpc = ({ grpcPort }: Readonly<{ grpcPort: number }>) => {
  const session = connect(`http://127.0.0.1:${grpcPort}`).on('error', () => {})
  const open = ([path, message]: readonly [string, Uint8Array], headers: OutgoingHttpHeaders = {}) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    stream.on('error', () => {})
    stream.end(framed(message))
    return stream
  }
  return {
    open,
    /** Resolves with `ok`, which a missing product is too, or with the kind of the error and its text. */
    send: (call: readonly [string, Uint8Array], headers?: OutgoingHttpHeaders): Promise<string> =>
      new Promise((resolve) => {
        const stream = open(call, headers)
        const received: IncomingHttpHeaders = {}
        const collect = (fields: object) => void Object.assign(received, fields)
        stream.on('response', collect).on('trailers', collect).resume()
        stream.on('close', () => {
          const code = Number(received['grpc-status'] ?? -1)
          if (code === -1) return resolve(`reset: ${stream.rstCode}`)
          const text = decodeURIComponent([received['grpc-message']].flat()[0] ?? '')
          const kind = kinds[code] ?? String(status[code])
          resolve(kind === 'ok' ? kind : `${kind}: ${text}`)
        })
      }),
    cancelled: constants.NGHTTP2_CANCEL,
    [Symbol.dispose]: () => session.destroy(),
  }
}
