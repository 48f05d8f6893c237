import type { Expected } from '@shop/kernel/expectation.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

const tags = (header: string): string[] => header.split(',').map((tag) => tag.trim())

const opaque = (tag: string): string => tag.replace(/^W\//, '')

/**
 * What a write expects by its `If-Match` (RFC 9110 §13.1.1). `stateOf` reads one of our strong tags; a tag that is none of ours
 * stands for no state.
 */
export const ifMatch = <State>(
  { headers: { 'if-match': header } }: FastifyRequest,
  stateOf: (tag: string) => State | undefined,
): Expected<State> => {
  if (header === undefined) return 'anything'
  if (header.trim() === '*') return 'existing'
  return tags(header).flatMap((tag) => stateOf(tag) ?? [])
}

/** Sets the ETag, and answers 304 without a body when the request's `If-None-Match` lists it (RFC 9110 §13.1.2). */
export const sendTagged = (
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  body: () => unknown,
) => {
  void reply.header('etag', etag)
  const header = request.headers['if-none-match']
  const known = header !== undefined && (header.trim() === '*' || tags(header).map(opaque).includes(etag))
  return known ? reply.code(304).send() : reply.send(body())
}
