import { isDeepStrictEqual } from 'node:util'
import { type Body, type Content, type Document, type Operation, type Response, resolve } from './document.ts'
import { compareParameters, parametersOf } from './parameters.ts'
import type { Change } from './rules.ts'
import { compare, type Documents } from './schemas.ts'
import type { Direction } from './values.ts'

export type Break = Change & Readonly<{ path: string; method: string }>

const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace']

const compareContents = (
  documents: Documents,
  direction: Direction,
  at: string,
  was: Content = {},
  is: Content = {},
): Change[] =>
  Object.entries(was).flatMap(([type, { schema }]): Change[] => {
    const what = `${at} ${type}`
    const now = is[type]
    if (now === undefined) return [{ what: `${what}: removed`, rule: 'media-type-removed' }]
    return compare(documents, direction, what, schema, now.schema)
  })

const compareBodies = (documents: Documents, was?: Body, is?: Body): Change[] => {
  const required = is?.required && !was?.required
  if (was && !is) return [{ what: 'request body: removed', rule: 'body-removed' }]
  return [
    ...(required ? [{ what: 'request body: is now required', rule: 'body-required' } as const] : []),
    ...compareContents(documents, 'request', 'request body', was?.content, is?.content),
  ]
}

const compareHeaders = (
  { released, current }: Documents,
  at: string,
  was: Response['headers'] = {},
  is: Response['headers'] = {},
): Change[] =>
  Object.entries(was)
    .filter(([name, header]) => {
      const now = is[name]
      return resolve(released, header).required && !(now && resolve(current, now).required)
    })
    .map(([name]) => ({
      what: `${at} header ${name}: was required, may now be absent`,
      rule: 'header-optional',
    }))

const compareResponse = (documents: Documents, status: string, was: Response, is?: Response): Change[] => {
  const at = `response ${status}`
  if (is === undefined) return [{ what: `${at}: removed`, rule: 'response-removed' }]
  return [
    ...compareHeaders(documents, at, was.headers, is.headers),
    ...compareContents(documents, 'response', at, was.content, is.content),
  ]
}

/**
 * A released document without security schemes is that of a service that could not ask for credentials. Its clients still
 * need none, unless the operator makes the service ask.
 */
const compareSecurity = ({ released, current }: Documents, was: Operation, is: Operation): Change[] => {
  if (released.components?.['securitySchemes'] === undefined) return []
  const before = was.security ?? released.security ?? []
  const now = is.security ?? current.security ?? []
  const needsNone = now.length === 0 || now.some((schemes) => Object.keys(schemes).length === 0)
  return needsNone || isDeepStrictEqual(before, now)
    ? []
    : [
        {
          what: `security: was ${JSON.stringify(before)}, is now ${JSON.stringify(now)}`,
          rule: 'security-added',
        },
      ]
}

const bodyOf = (document: Document, { requestBody }: Operation): Body | undefined =>
  requestBody && resolve(document, requestBody)

const compareOperations = (
  documents: Documents,
  paths: readonly [released: string, current: string],
  was: Operation,
  is: Operation,
) => {
  const { released, current } = documents
  return [
    ...compareParameters(
      documents,
      parametersOf(released, paths[0], was),
      parametersOf(current, paths[1], is),
    ),
    ...compareBodies(documents, bodyOf(released, was), bodyOf(current, is)),
    ...Object.entries(was.responses ?? {}).flatMap(([status, response]) => {
      const now = is.responses?.[status]
      return compareResponse(documents, status, resolve(released, response), now && resolve(current, now))
    }),
    ...compareSecurity(documents, was, is),
  ]
}

/** Two paths that differ only in the names of their parameters are the same path. */
const withoutNames = (path: string): string => path.replaceAll(/\{.+?\}/g, '{}')

/** Returns the changes that break a client written for the released document. */
export const breaksOf = (released: Document, current: Document): Break[] =>
  Object.entries(released.paths).flatMap(([path, item]) => {
    const currentPath = Object.keys(current.paths).find((name) => withoutNames(name) === withoutNames(path))
    return methods.flatMap((key): Break[] => {
      const was = item[key]
      if (was === undefined) return []
      const method = key.toUpperCase()
      if (currentPath === undefined) return [{ path, method, what: 'removed', rule: 'path-removed' }]
      const is = current.paths[currentPath]?.[key]
      if (is === undefined) return [{ path, method, what: 'removed', rule: 'method-removed' }]
      const changes = compareOperations({ released, current }, [path, currentPath], was, is)
      return changes.map(({ what, rule }) => ({ path, method, what, rule }))
    })
  })
