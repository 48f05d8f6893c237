import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Opens a connection, from another address of this machine if it is given, and sends the text over it. */
export const openTo =
  (port: number, host: string, localAddress?: string) =>
  async (text = ''): Promise<Socket> => {
    const socket = connect({ port, host, allowHalfOpen: true, ...(localAddress && { localAddress }) })
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }

/** Makes the server listen on a free port. Returns a function that opens connections to it. */
export const listen = async (app: FastifyInstance) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return openTo((app.server.address() as AddressInfo).port, '127.0.0.1')
}

/** Sends the request from the address over a connection of its own, and reads the response. */
export const sendFrom = async (app: FastifyInstance, localAddress: string, text: string) => {
  const { port } = app.server.address() as AddressInfo
  const [head = '', ...rest] = text.split('\r\n')
  const lines = [head, 'Host: test', 'Connection: close', ...rest]
  return parseResponse(await readAll(await openTo(port, '127.0.0.1', localAddress)(lines.join('\r\n'))))
}

/** Reads until the server closes the connection, or ends its side of it. */
export const readAll = async (socket: Socket): Promise<string> => {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(socket, 'end', { signal: AbortSignal.timeout(20_000) })
  socket.destroy()
  return text
}

/** Splits a response without chunks into its status, its headers and its body. */
export const parseResponse = (text: string) => {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [statusLine = '', ...lines] = head.split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const [name = '', ...value] = line.split(': ')
      return [name.toLowerCase(), value.join(': ')]
    }),
  )
  return { status: Number(statusLine.split(' ')[1]), headers, body }
}
