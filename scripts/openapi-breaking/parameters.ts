import { isDeepStrictEqual } from 'node:util'
import { type Document, type Operation, type Parameter, resolve } from './document.ts'
import type { Change } from './rules.ts'
import { compare, type Documents } from './schemas.ts'

/**
 * Returns the parameters of an operation, keyed by location and name. The key of a path parameter is its
 * position in the path instead of its name, because the name is not sent.
 */
export const parametersOf = (
  document: Document,
  path: string,
  operation: Operation,
): Map<string, Parameter> => {
  const pathNames = [...path.matchAll(/\{(.+?)\}/g)].map(([, name]) => name)
  const all = [...(document.paths[path]?.parameters ?? []), ...(operation.parameters ?? [])]
  return new Map(
    all
      .map((parameter) => resolve(document, parameter))
      .map((parameter) => {
        const { name, in: location } = parameter
        return [`${location} ${location === 'path' ? pathNames.indexOf(name) : name}`, parameter]
      }),
  )
}

/**
 * Returns how the parameter is serialized, such as its style: all its members except annotations and those
 * that are compared separately.
 */
const serializationOf = (parameter: Parameter) => {
  const others = new Set([
    'name',
    'in',
    'required',
    'schema',
    'description',
    'example',
    'examples',
    'deprecated',
  ])
  return Object.entries(parameter).filter(([key]) => !others.has(key))
}

const compareParameter = (documents: Documents, was: Parameter, is: Parameter | undefined): Change[] => {
  const what = `parameter ${was.name} in ${was.in}`
  if (is === undefined) return [{ what: `${what}: removed`, rule: 'parameter-removed' }]
  return [
    ...(is.required && !was.required
      ? [{ what: `${what}: is now required`, rule: 'parameter-required' } as const]
      : []),
    ...(isDeepStrictEqual(serializationOf(was), serializationOf(is))
      ? []
      : [
          {
            what: `${what}: style or other serialization settings changed`,
            rule: 'parameter-changed',
          } as const,
        ]),
    ...compare(documents, 'request', what, was.schema, is.schema),
  ]
}

export const compareParameters = (
  documents: Documents,
  was: ReadonlyMap<string, Parameter>,
  is: ReadonlyMap<string, Parameter>,
): Change[] => [
  ...[...was].flatMap(([key, parameter]) => compareParameter(documents, parameter, is.get(key))),
  ...[...is]
    .filter(([key, { required }]) => required && !was.has(key))
    .map(
      ([, { name, in: location }]): Change => ({
        what: `parameter ${name} in ${location}: added as required`,
        rule: 'parameter-required',
      }),
    ),
]
