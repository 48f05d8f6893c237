import assert from 'node:assert/strict'
import type { Services } from './services.ts'

export type Http = Services['product']['http']

type Parameter = Readonly<{ name?: string; in?: string; example?: string | number }>
type Media = Readonly<{
  example?: unknown
  examples?: Readonly<Record<string, Readonly<{ value: unknown }>>>
}>
type Security = readonly Readonly<Record<string, readonly string[]>>[]
type Described = Readonly<{
  operationId: string
  security?: Security
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Media>> }>
  responses: Readonly<Record<string, unknown>>
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Described>>>> }>

export type Operation = Described &
  Readonly<{ method: string; url: string; mediaType?: string; payload?: string }>

const urlOf = (path: string, parameters: readonly Parameter[] = []): string =>
  path.replaceAll(/\{(.+?)\}/g, (_, name: string) => {
    const { example } = parameters.find((parameter) => parameter.name === name) ?? {}
    return encodeURIComponent(String(example))
  })

/** Every operation of the service's document, with its example request. */
export const operationsOf = async (http: Http): Promise<readonly Operation[]> => {
  const { paths }: Document = (await http.inject('/openapi.json')).json()
  const bodyOf = ({ requestBody }: Described) =>
    Object.entries(requestBody?.content ?? {})
      .slice(0, 1)
      .map(([mediaType, { example, examples = {} }]) => {
        const payload = JSON.stringify(example ?? Object.values(examples)[0]?.value)
        return { mediaType, payload }
      })[0]
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      ...bodyOf(operation),
      method: method.toUpperCase(),
      url: urlOf(path, operation.parameters),
    })),
  )
}

export const send = async (http: Http, operation: Operation, credentials?: string) => {
  const { method, url, mediaType, payload } = operation
  return http.inject({
    method: method as 'GET',
    url,
    headers: {
      ...(mediaType !== undefined && { 'content-type': mediaType }),
      ...(credentials !== undefined && { authorization: `Bearer ${credentials}` }),
    },
    ...(payload !== undefined && { payload }),
  })
}

/** Whom the document admits. */
export const accessOf = ({ security, operationId }: Operation): string => {
  assert.ok(security, `${operationId} does not say who may call it`)
  if (security.length === 0) return 'ignores credentials'
  const [first = {}, second] = security
  if (Object.keys(first).length === 0) return 'anybody'
  if (second !== undefined) return 'owner'
  return `scope ${first['bearer']?.join(' ')}`
}
