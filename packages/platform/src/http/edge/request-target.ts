import type { IncomingMessage } from 'node:http'
import type { Refusal } from './request-head.ts'

/** Longer path segments are refused. */
export const maxSegmentLength = 2_048

/** The path of a request target (RFC 9112 §3.2), also of one with a scheme and a host, without the query. */
export const pathOf = (target: string): string =>
  /^(?:[a-z][a-z\d+.-]*:\/\/[^/?#]*)?([^?#]*)/i.exec(target)?.[1] || '/'

const badPath: Refusal = { status: 400, detail: 'the path has a malformed percent-encoding' }
const fragment: Refusal = { status: 400, detail: 'the request target must not have a fragment' }
const longSegment: Refusal = { status: 414, detail: 'the path is too long' }

const isDecodable = (path: string): boolean => {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

const refusalOfTarget = (target: string): Refusal | undefined => {
  if (target.includes('#')) return fragment
  const path = pathOf(target)
  if (path.includes('%') && !isDecodable(path)) return badPath
  if (path.length > maxSegmentLength && path.split('/').some(({ length }) => length > maxSegmentLength))
    return longSegment
  return undefined
}

const refusals = new WeakMap<IncomingMessage, Refusal>()

/** Why the target of the request makes the server refuse it. */
export const targetRefusal = (raw: IncomingMessage): Refusal | undefined => refusals.get(raw)

/** Has no route, because clients resolve `.` before they send a path. */
const noPath = '/.'

/**
 * Returns the target for the router. It would answer a malformed path itself, without any hook: no log line, no
 * security headers, no limit. Such a request gets a path that is well-formed, and is refused in a hook. The router
 * would take `*`, the target of the server itself, for `/`.
 */
export const routableTarget = (raw: IncomingMessage): string => {
  const target = raw.url ?? '/'
  if (target === '*') return noPath
  const refusal = refusalOfTarget(target)
  if (refusal === undefined) return target
  refusals.set(raw, refusal)
  return noPath
}
