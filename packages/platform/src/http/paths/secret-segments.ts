import type { FastifyInstance, FastifyRequest } from 'fastify'
import { pathOf } from '../edge/request-target.ts'

/** Whether a segment of a path, decoded, is a secret that logs, traces and problems must not show. */
export type IsSecretSegment = (segment: string) => boolean

const key = Symbol('secret segments')

declare module 'fastify' {
  interface FastifyInstance {
    [key]?: IsSecretSegment
  }
}

/** What stands in place of a secret segment. RFC 3986 allows it in paths. */
const mask = '***'

/** Paths of routes are shorter. To look for secrets in 16 KB, the most that a client can send, takes milliseconds. */
const maxLength = 2_048

/**
 * Decodes the characters of ASCII, however often they are encoded, such as by a client and by a proxy. Does not fail on malformed
 * escapes: the server refuses a path with them, but shows it.
 */
const decode = (text: string): string =>
  text.includes('%')
    ? text.replace(/%(?:25)*([0-7][0-9a-f])/gi, (_, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      )
    : text

/** The beginning of a long path, without the segment in which it is cut. */
const cut = (path: string): string =>
  path.length > maxLength ? path.slice(0, maxLength).replace(/[^/]*$/, mask) : path

/** An encoded slash does not separate segments, but what is behind it may be a secret all the same. */
const hasSecret = (text: string, isSecret: IsSecretSegment): boolean => decode(text).split('/').some(isSecret)

/** Masks the secret segments of the paths that `shownPath` returns for requests to this server. */
export const hideSecretSegments = (app: FastifyInstance, isSecret: IsSecretSegment | undefined): void => {
  if (isSecret !== undefined) app[key] = isSecret
}

/**
 * The path of the request. If this server has secret segments, they are masked, and a long path is cut. For problems, and for
 * paths without a route.
 */
export const shownPath = ({ server, originalUrl }: FastifyRequest): string => {
  const path = pathOf(originalUrl)
  const isSecret = server[key]
  if (isSecret === undefined) return path
  const beginning = cut(path)
  if (!hasSecret(beginning, isSecret)) return beginning
  return beginning
    .split('/')
    .map((segment) => (hasSecret(segment, isSecret) ? mask : segment))
    .join('/')
}
