import type { Expected } from '@shop/kernel/expectation.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

const tagsIn = (header: string): string[] => header.split(',').map((tag) => tag.trim())

const withoutWeakPrefix = (tag: string): string => tag.replace(/^W\//, '')

/**
 * Returns the precondition in the `If-Match` header (RFC 9110 §13.1.1). `stateOf` returns the state of a
 * strong tag that we issued, or undefined for any other tag, which then never matches.
 */
export const ifMatch = <State>(
  { headers: { 'if-match': header } }: FastifyRequest,
  stateOf: (tag: string) => State | undefined,
): Expected<State> => {
  if (header === undefined) return 'anything'
  if (header.trim() === '*') return 'existing'
  return tagsIn(header).flatMap((tag) => stateOf(tag) ?? [])
}

/**
 * Sets the ETag. Responds with 304 and no body if `If-None-Match` is `*` or lists the ETag, otherwise with
 * `body()` (RFC 9110 §13.1.2).
 */
export const sendTagged = (
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  body: () => unknown,
) => {
  void reply.header('etag', etag)
  const header = request.headers['if-none-match']
  const isMatch =
    header !== undefined && (header.trim() === '*' || tagsIn(header).map(withoutWeakPrefix).includes(etag))
  return isMatch ? reply.code(304).send() : reply.send(body())
}
