import type { FastifyInstance } from 'fastify'

/** The beginnings of a route's path that end at a slash or before a parameter. */
const beginningsOf = (url: string): string[] =>
  [...url.matchAll(/[/:]/g)].map(({ index }) => url.slice(0, index).replace(/\/$/, ''))

/** Whether a parameter at the end of some route would match the last segment of the path. */
const isCaptured = (app: FastifyInstance, methods: readonly string[], url: string): boolean => {
  const sample = url.replaceAll(/:\w+/g, 'x')
  return methods.some((method) => app.findRoute({ method, url: sample }) !== null)
}

/**
 * Returns the paths that have no route, only routes below them, but that a parameter of another route would match:
 * with `/things/:id` and `/things/by-name/:name`, the path `/things/by-name` is not a thing with the id `by-name`.
 */
export const reservedPaths = (
  app: FastifyInstance,
  methods: readonly string[],
  urls: readonly string[],
): readonly string[] => {
  const beginnings = new Set(urls.flatMap(beginningsOf))
  return [...beginnings].filter(
    (url) => url !== '' && !urls.includes(url) && !/:\w+$/.test(url) && isCaptured(app, methods, url),
  )
}
