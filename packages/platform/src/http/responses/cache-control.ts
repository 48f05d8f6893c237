import type { FastifyInstance } from 'fastify'
import { routeOf } from '../edge/route.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * How caches may store the route's successful responses and its 304. `no-cache`: ask the service before
     * each use. `private`: only the user's own cache. By default, they may not store them.
     */
    cacheControl?: 'no-cache' | 'private, no-cache'
  }
}

/**
 * Sets `Cache-Control` on every response. Without it caches may choose: a default Varnish serves a response for
 * two minutes, also a 404. A route declares its value; everything else is `no-store`, errors too.
 */
export const setCacheControl = (app: FastifyInstance): void => {
  app.addHook('onSend', (request, reply, _payload, done) => {
    const declared = reply.statusCode < 400 ? routeOf(request).config.cacheControl : undefined
    void reply.header('cache-control', declared ?? 'no-store')
    done()
  })
}
