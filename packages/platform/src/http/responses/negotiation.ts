import type { FastifyReply } from 'fastify'
import Negotiator from 'negotiator'

export type Coding = 'br' | 'gzip'

/**
 * Returns the content coding for a response by the q-values of `Accept-Encoding` (RFC 9110 §12.5.3). `identity`
 * means none. Undefined if the client accepts neither a coding of ours nor identity.
 */
export const preferredCoding = (acceptEncoding: string): Coding | 'identity' | undefined =>
  new Negotiator({ headers: { 'accept-encoding': acceptEncoding } }).encodings(['br', 'gzip', 'identity'], {
    preferred: ['br', 'gzip'],
  })[0]

/** Whether the client refuses a response without a content coding, for example by `identity;q=0`. */
export const refusesIdentity = (acceptEncoding: string): boolean =>
  // The negotiation takes longer than this test, which almost all headers fail.
  /(?:identity|\*)\s*;\s*q\s*=\s*0/i.test(acceptEncoding) &&
  new Negotiator({ headers: { 'accept-encoding': acceptEncoding } }).encodings(['identity'], {
    preferred: [],
  }).length === 0

/**
 * Returns the media type that the client prefers by the q-values of `Accept`, or the first if it accepts none.
 * Parameters of the types are ignored: Prometheus asks for some that we do not know.
 */
export const preferredType = <Type extends string>(
  accept: string | undefined,
  types: readonly [Type, ...Type[]],
): Type => {
  if (accept === undefined) return types[0]
  const withoutParameters = accept.replace(/;(?!\s*q\s*=)[^;,]*/gi, '')
  return new Negotiator({ headers: { accept: withoutParameters } }).mediaTypes(types)[0] ?? types[0]
}

/** Adds the name of a request header to `Vary`. */
export const addVary = (reply: FastifyReply, name: string): void => {
  const names = reply.getHeader('vary')
  void reply.header('vary', names === undefined ? name : `${String(names)}, ${name}`)
}
