import type { Expected } from '@shop/kernel/expectation.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

const tags = (header: string): string[] => header.split(',').map((tag) => tag.trim())

const opaque = (tag: string): string => tag.replace(/^W\//, '')

/**
 * The precondition in the `If-Match` header (RFC 9110 §13.1.1). `stateOf` parses one of our strong tags; any
 * other tag matches no state.
 */
export const ifMatch = <State>(
  { headers: { 'if-match': header } }: FastifyRequest,
  stateOf: (tag: string) => State | undefined,
): Expected<State> => {
  if (header === undefined) return 'anything'
  if (header.trim() === '*') return 'existing'
  return tags(header).flatMap((tag) => stateOf(tag) ?? [])
}

/** Sets the ETag, and responds with 304 and no body if `If-None-Match` lists it (RFC 9110 §13.1.2). */
export const sendTagged = (
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  body: () => unknown,
) => {
  void reply.header('etag', etag)
  const header = request.headers['if-none-match']
  const isMatch = header !== undefined && (header.trim() === '*' || tags(header).map(opaque).includes(etag))
  return isMatch ? reply.code(304).send() : reply.send(body())
}
