import { invalid } from '@shop/kernel/errors.ts'
import type { Expected } from '@shop/kernel/expectation.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What Apache, Caddy and Jetty append to the tag of a response that they compress. Our tags never end like this. */
const codingSuffix = /--?(?:gzip|br|zstd|deflate)"$/

/**
 * Returns the entity tags in a header, without `W/` and without the suffix of a coding: a tag belongs to the
 * thing, not to the bytes that a proxy made of it (docs/decisions/0030-tags-survive-compression.md). Undefined
 * if the header is malformed.
 */
const tagsIn = (header: string): '*' | readonly string[] | undefined => {
  if (header.trim() === '*') return '*'
  // RFC 9110 §8.8.3: a tag may contain commas.
  const element = /[\t ]*(?:(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")[\t ]*)?(?:,|$)/y
  const tags: string[] = []
  while (element.lastIndex < header.length) {
    const match = element.exec(header)
    if (match === null) return undefined
    if (match[1] !== undefined) tags.push(match[1].replace(codingSuffix, '"'))
  }
  return tags
}

/**
 * Returns the preconditions of a write in `If-Match` and `If-None-Match` (RFC 9110 §13.1). `stateOf` returns the
 * state of a tag that we issued, or undefined for any other tag, which then never matches. A malformed
 * `If-Match` never holds. A malformed `If-None-Match` would always hold, so it throws `invalid`.
 */
export const preconditions = <State>(
  { headers: { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } }: FastifyRequest,
  stateOf: (tag: string) => State | undefined,
): Expected<State> => {
  const oneOf = (tags: '*' | readonly string[]): Expected<State> =>
    tags === '*' ? 'existing' : tags.flatMap((tag) => stateOf(tag) ?? [])
  const matching = ifMatch === undefined ? 'anything' : oneOf(tagsIn(ifMatch) ?? [])
  if (ifNoneMatch === undefined) return matching
  const excluded = tagsIn(ifNoneMatch)
  if (excluded === undefined)
    throw invalid({ path: '/If-None-Match', message: 'must be * or a list of quoted entity tags' })
  const notMatching = { not: oneOf(excluded) }
  return matching === 'anything' ? notMatching : { all: [matching, notMatching] }
}

/**
 * Sets the ETag, and returns what the handler returns: `body()`, or an empty response with 304 if `If-None-Match` is `*` or
 * lists the ETag (RFC 9110 §13.1.2).
 */
export const tagged = <Body>(
  request: FastifyRequest,
  reply: FastifyReply,
  etag: string,
  body: () => Body,
): Body | FastifyReply => {
  void reply.header('etag', etag)
  const header = request.headers['if-none-match']
  const tags = header === undefined ? [] : tagsIn(header)
  return tags === '*' || tags?.includes(etag) === true ? reply.code(304).send() : body()
}
