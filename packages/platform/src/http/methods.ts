import type { FastifyInstance } from 'fastify'
import { sendStatus } from './errors.ts'

export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Watches which methods each path has. The function it returns, called when all routes are there, makes every path
 * answer 405 with `Allow` to the methods that it lacks.
 */
export const respondMethodNotAllowed = (app: FastifyInstance): (() => void) => {
  const allowed = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return
    allowed.set(url, new Set([...(allowed.get(url) ?? []), ...[method].flat()]))
  })
  return () => {
    for (const [url, has] of allowed) {
      const allow = [...has].join(', ')
      app.route({
        url,
        method: methods.filter((method) => !has.has(method)),
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

/** Trailing slashes are ignored, except on DELETE: `DELETE …/items/` probably lost its id and must not clear the collection. */
export const rejectTrailingSlashDelete = (app: FastifyInstance): void => {
  app.addHook('onRequest', (request, reply, done) => {
    if (request.method === 'DELETE' && request.url.split('?', 1)[0]?.endsWith('/'))
      void sendStatus(404, request, reply)
    else done()
  })
}
