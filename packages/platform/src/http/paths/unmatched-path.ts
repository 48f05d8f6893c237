import type { FastifyInstance, FastifyRequest } from 'fastify'
import { shownPath } from './secret-segments.ts'

const maxPathLength = 256

/** Characters that a terminal may act on, and those that a URL would encode. */
const unprintable = /[^!-~]/g

const encoded = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** The path in printable ASCII, cut off. */
export const printable = (path: string): string => {
  const text = path.replace(unprintable, encoded)
  return text.length > maxPathLength ? `${text.slice(0, maxPathLength)}…` : text
}

/** Whether the segment of a route stands for a value, such as `:id` or `top-:n`. */
const isParameter = (segment: string): boolean => /[:*]/.test(segment)

/**
 * Replaces the segments of the path that a route with the same beginning has as a parameter by its name. Repeated slashes
 * count once: a client has them whose base URL ends with one.
 */
const withoutValues = (path: string, routes: readonly (readonly string[])[]): string => {
  let candidates = routes
  let depth = 0
  return path
    .split('/')
    .map((segment) => {
      if (segment === '') return segment
      depth += 1
      const exact = candidates.filter((route) => route[depth] === segment)
      const parameters = candidates.filter((route) => isParameter(route[depth] ?? ''))
      candidates = [...exact, ...parameters]
      return exact.length > 0 ? segment : (parameters[0]?.[depth] ?? segment)
    })
    .join('/')
}

/**
 * Returns the path of a request without a route, for logs and traces, so that a wrong URL can be found; undefined for
 * other requests. It has no query. Where the path begins like that of a route, it has the names of the route's parameters
 * instead of their values, which may be user ids. Other parts are as sent, without secrets, printable, and cut off.
 */
export const collectRoutes = (app: FastifyInstance): ((request: FastifyRequest) => string | undefined) => {
  const routes = new Map<string, readonly string[]>()
  app.addHook('onRoute', ({ url }) => {
    if (url !== '*') routes.set(url, url.split('/'))
  })
  return (request) => {
    const { url = '*' } = request.routeOptions
    if (url !== '*') return undefined
    return printable(withoutValues(shownPath(request).slice(0, 4 * maxPathLength), [...routes.values()]))
  }
}

export type UnmatchedPath = ReturnType<typeof collectRoutes>
