import { AppError } from '@shop/kernel/errors.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

const tags = (header: string): string[] => header.split(',').map((tag) => tag.trim())

const opaque = (tag: string): string => tag.replace(/^W\//, '')

/**
 * The precondition of a write (RFC 9110 §13.1.1): throws `stale_version` when the request has an `If-Match` that does
 * not list the ETag of what is stored, or nothing is.
 */
export const ifMatch =
  <Stored>(request: FastifyRequest, etagOf: (stored: Stored) => string) =>
  (stored: Stored | undefined): void => {
    const header = request.headers['if-match']
    if (header === undefined) return
    const matches = stored !== undefined && (header.trim() === '*' || tags(header).includes(etagOf(stored)))
    if (!matches) throw new AppError('stale', 'If-Match does not list the ETag of what is stored now')
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
