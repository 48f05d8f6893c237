import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Client, ClientFinder } from '../../limits/client.ts'

const finders = new WeakMap<object, ClientFinder>()

/** The clients of connections without `X-Forwarded-For`: each connection is looked up once. */
const clientsOfConnections = new WeakMap<Socket, Readonly<{ client: Client }>>()

/** Lets `clientOf` find the clients of the requests to this server. */
export const identifyClients = (app: FastifyInstance, findClient: ClientFinder): void =>
  void finders.set(app.server, findClient)

/** The client whose share of the limits the request uses. */
export const clientOf = ({ server, raw, headers }: FastifyRequest): Client => {
  const findClient = finders.get(server.server)
  const forwardedFor = headers['x-forwarded-for']
  // Node.js joins repeated headers with commas.
  if (typeof forwardedFor === 'string') return findClient?.(raw.socket.remoteAddress, forwardedFor)
  const known = clientsOfConnections.get(raw.socket)
  if (known !== undefined) return known.client
  const client = findClient?.(raw.socket.remoteAddress)
  clientsOfConnections.set(raw.socket, { client })
  return client
}
