import { isDeepStrictEqual } from 'node:util'
import { type Document, type Operation, type Parameter, resolve } from './document.ts'
import type { Change } from './rules.ts'
import { compare, type Documents } from './schemas.ts'

/** Path parameters are found by their place: their names are not sent. */
export const parametersOf = (
  document: Document,
  path: string,
  operation: Operation,
): Map<string, Parameter> => {
  const places = [...path.matchAll(/\{(.+?)\}/g)].map(([, name]) => name)
  const all = [...(document.paths[path]?.parameters ?? []), ...(operation.parameters ?? [])]
  return new Map(
    all
      .map((one) => resolve(document, one))
      .map((one) => [`${one.in} ${one.in === 'path' ? places.indexOf(one.name) : one.name}`, one]),
  )
}

/** How the parameter is sent, such as its style: everything that is not compared on its own or only an annotation. */
const formOf = (parameter: Parameter) => {
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
    ...(isDeepStrictEqual(formOf(was), formOf(is))
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
      ([, { name, in: place }]): Change => ({
        what: `parameter ${name} in ${place}: added as required`,
        rule: 'parameter-required',
      }),
    ),
]
