import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { calls, openGrpc } from './grpc.ts'

/** Sends writes over HTTP, and resets each connection before there is a response. */
export const abandonOverHttp = async (url: string, authorization: string, count: number): Promise<void> => {
  const body = '{"name":"Abandoned","price":1,"stock":1}'
  const head = `POST /products HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
  for (let index = 0; index < count; index++) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
    socket.write(head + body)
    await delay(5)
    socket.resetAndDestroy()
  }
}

/** Calls that write, and cancels each before there is a response. */
export const abandonOverGrpc = async (
  shop: Readonly<{ grpcPort: number }>,
  authorization: string,
  count: number,
): Promise<void> => {
  using grpc = openGrpc(shop)
  for (let index = 0; index < count; index++) {
    const stream = grpc.open(calls.create, { authorization })
    await delay(5)
    stream.close(grpc.cancelled)
  }
  await delay(100)
}
