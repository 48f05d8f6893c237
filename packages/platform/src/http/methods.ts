import { METHODS } from 'node:http'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { acceptHeader, mediaTypesOf } from './edge/media-types.ts'
import { reservedPaths } from './edge/reserved-paths.ts'
import { sendStatus } from './errors.ts'

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** The methods that some paths have. OPTIONS is for every path. */
export const serverMethods = [...methods, 'OPTIONS']

export const sendAllow = (reply: FastifyReply, allowed: Iterable<string>): FastifyReply =>
  reply.header('allow', [...allowed].join(', '))

/** The methods of a path, with the media types that each one accepts. */
type PathMethods = Map<string, readonly string[]>

/** The media types of the methods whose headers differ; the others would share `Accept`. */
const acceptHeaders = (path: PathMethods): Record<string, string> =>
  Object.assign(
    {},
    ...['POST', 'PATCH'].map((method) => {
      const mediaTypes = path.get(method)
      return mediaTypes === undefined ? {} : acceptHeader(method, mediaTypes)
    }),
  )

const order = (method: string): number => serverMethods.indexOf(method)

/** Registers routes for all other methods of the path: OPTIONS answers with the allowed ones, the rest with 405. */
const addOtherMethods = (app: FastifyInstance, url: string, path: PathMethods): void => {
  const allowed = [...path.keys(), 'OPTIONS'].toSorted((a, b) => order(a) - order(b))
  const accepted = acceptHeaders(path)
  const hidden = {
    url,
    schema: { hide: true },
    config: { isOpen: true },
    exposeHeadRoute: false,
    handler: () => {},
  }
  app.route({
    ...hidden,
    method: METHODS.filter((method) => !allowed.includes(method)),
    onRequest: async (request, reply) => sendStatus(405, request, sendAllow(reply, allowed)),
  })
  app.route({
    ...hidden,
    method: 'OPTIONS',
    onRequest: async (_request, reply) => sendAllow(reply, allowed).headers(accepted).code(204).send(),
  })
}

/**
 * Collects the methods of each path. Call the returned function after all routes are registered: it makes every path
 * answer all other methods that Node.js knows with 405 and an `Allow` header, and OPTIONS with the same header. The
 * scope that it gets may add headers to the responses to OPTIONS.
 */
export const respondMethodNotAllowed = (app: FastifyInstance) => {
  const paths = new Map<string, PathMethods>()
  let collecting = true
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  app.addHook('onRoute', function collect({ url, method }) {
    if (!collecting) return
    const path: PathMethods = paths.get(url) ?? new Map()
    for (const name of [method].flat()) path.set(name, mediaTypesOf(this))
    paths.set(url, path)
  })
  return (scope: FastifyInstance): void => {
    collecting = false
    // The route of the CORS plugin.
    paths.delete('*')
    for (const url of reservedPaths(app, methods, [...paths.keys()])) paths.set(url, new Map())
    for (const [url, path] of paths) addOtherMethods(scope, url, path)
  }
}
