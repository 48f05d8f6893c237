import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { GetProductRequest, Product } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startService } from '../support/grpc.ts'

const mebibyte = 1024 * 1024

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}

/** A header that is not in the tables of HPACK. */
const header = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ])

const headers = Buffer.concat([
  header(':method', 'POST'),
  header(':scheme', 'http'),
  header(':path', '/product.ProductService/GetProduct'),
  header(':authority', 'shop'),
  header('content-type', 'application/grpc'),
  header('te', 'trailers'),
])

const largestWindow = Buffer.from([0x7f, 0xff, 0, 0])

/** Sends calls with windows of 2 GiB on a connection from which nothing is read. */
const callWithoutReading = (port: number, calls: number) => {
  const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.9' }).pause()
  socket.on('error', () => {})
  const request = Buffer.from(GetProductRequest.encode({ id: 1 }).finish())
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, request.length]), request])
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(frame(4, 0, 0, Buffer.concat([Buffer.from([0, 4]), largestWindow])))
  socket.write(frame(8, 0, 0, largestWindow))
  for (let call = 0; call < calls; call++) {
    socket.write(frame(1, 4, 2 * call + 1, headers))
    socket.write(frame(0, 1, 2 * call + 1, message))
  }
  return socket
}

describe('a connection that takes nothing', () => {
  it('is closed, also if its windows are open, so that what it used is free', {
    timeout: 60_000,
  }, async () => {
    const text = 'x'.repeat(3 * mebibyte)
    const product = { ...Product.decode(new Uint8Array()), description: text }
    await using service = await startService(async () => ({ product }), {
      limitsConfig: { maxResponseBytes: 400 * mebibyte },
      callTimes: { responseMs: 1_000 },
    })
    const socket = callWithoutReading(service.port, 30)
    const { responseBytes, calls } = service.limits
    await eventually(20_000, async () => assert.ok(responseBytes.used() > 60 * mebibyte))
    await eventually(20_000, async () => assert.deepEqual([responseBytes.used(), calls.used()], [0, 0]))
    // The end arrives behind what the kernels keep.
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    await closed
  })
})
