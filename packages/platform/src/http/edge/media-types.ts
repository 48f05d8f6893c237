import type { FastifyInstance, FastifyRequest } from 'fastify'

const key = Symbol('media types')

declare module 'fastify' {
  interface FastifyInstance {
    /** Inherited by the scopes within. */
    [key]?: readonly string[]
  }
}

/** The media types of bodies that the routes of this scope accept, the most specific first. */
export const mediaTypesOf = (app: FastifyInstance): readonly string[] => app[key] ?? []

/** Records that the routes of this scope accept bodies of the media type. */
export const addMediaType = (app: FastifyInstance, mediaType: string): void => {
  app[key] = [mediaType, ...mediaTypesOf(app)]
}

/** `Accept-Post` (Linked Data Platform §7.1) and `Accept-Patch` (RFC 5789 §3.1); RFC 9110 §12.5.1 for others. */
const headerNames: Readonly<Record<string, string>> = { POST: 'accept-post', PATCH: 'accept-patch' }

/** The header that tells a client the media types that the method accepts. */
export const acceptHeader = (method: string, mediaTypes: readonly string[]): Record<string, string> => ({
  [headerNames[method] ?? 'accept']: mediaTypes.join(', '),
})

/** Whether the body is not compressed: every content coding, if there is any, is `identity`. */
export const isUncompressed = ({ headers }: FastifyRequest): boolean =>
  headers['content-encoding'] === undefined ||
  headers['content-encoding']
    .split(',')
    .every((coding) => ['', 'identity'].includes(coding.trim().toLowerCase()))
