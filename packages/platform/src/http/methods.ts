import type { FastifyInstance } from 'fastify'
import { sendStatus } from './errors.ts'

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Collects the methods of each path. Call the returned function after all routes are registered: it makes
 * every path answer all other methods with 405 and an `Allow` header.
 */
export const respondMethodNotAllowed = (app: FastifyInstance): (() => void) => {
  const methodsByPath = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return
    methodsByPath.set(url, new Set([...(methodsByPath.get(url) ?? []), ...[method].flat()]))
  })
  return () => {
    for (const [url, allowed] of methodsByPath) {
      const allow = [...allowed].join(', ')
      app.route({
        url,
        method: methods.filter((method) => !allowed.has(method)),
        schema: { hide: true },
        onRequest: async (request, reply) => {
          void reply.header('allow', allow)
          return sendStatus(405, request, reply)
        },
        handler: () => {},
      })
    }
  }
}

/**
 * Rejects DELETE requests to a path with a trailing slash. For other methods the slash is ignored. However,
 * `DELETE …/items/` probably lost its id and must not clear the collection.
 */
export const rejectTrailingSlashDelete = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'DELETE' && request.url.split('?', 1)[0]?.endsWith('/'))
      void sendStatus(404, request, reply)
    else done()
  })
}
