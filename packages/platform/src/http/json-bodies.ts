import { isUtf8 } from 'node:buffer'
import { invalid } from '@shop/kernel/errors.ts'
import type { FastifyInstance } from 'fastify'
import { addMediaType } from './edge/media-types.ts'
import { withoutRounding } from './json/exact-numbers.ts'
import { keepingSentBody } from './json/sent-bodies.ts'

/**
 * Reads bodies of the media type as JSON, which must be UTF-8. An empty body counts as no body, because many
 * clients send a content type even with DELETE. Against prototype pollution, `__proto__` is removed, and so
 * is `constructor` if it contains `prototype`. A number that would be rounded is read as infinity, which schemas reject.
 */
export const acceptJson = (app: FastifyInstance, mediaType: string): void => {
  addMediaType(app, mediaType)
  const parseJson = app.getDefaultJsonParser('remove', 'remove')
  app.addContentTypeParser<Buffer>(mediaType, { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined)
    if (!isUtf8(body)) return done(invalid({ path: '', message: 'must be UTF-8' }))
    const text = body.toString()
    const parsed = keepingSentBody(request, done)
    void parseJson(request, text, (error, value) => {
      const exact = error === null ? withoutRounding(text) : text
      if (exact === text) parsed(error, value)
      else void parseJson(request, exact, parsed)
    })
  })
}
