import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '@shop/testing/files.ts'
import { portOf, type Shop } from './shop.ts'

type Schema = Readonly<{ type?: string; default?: unknown; minimum?: number; maximum?: number }>
type Parameter = Readonly<{ name: string; in: string; example?: string | number; schema: Schema }>
type Described = Readonly<{
  operationId: string
  tags: readonly string[]
  parameters?: readonly unknown[]
  requestBody?: unknown
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Described>>>> }>
type Body = Readonly<{ content: Readonly<Record<string, Readonly<{ example?: unknown }>>> }>

/** An operation of a service's OpenAPI document. */
export type Operation = Readonly<{
  service: 'product' | 'basket'
  id: string
  method: string
  /** Whether it is for operators: health and metrics. */
  isOperational: boolean
  /** The largest request that the document allows. Different numbers give different requests, if parameters allow. */
  pathOf: (variant: number) => string
  mediaType?: string
}>

/** Follows references within the document. */
const resolver = (document: object) => {
  const resolve = (value: unknown): unknown => {
    const { $ref: reference } = value as { $ref?: string }
    if (reference === undefined) return value
    const parts = reference.slice(2).split('/')
    return resolve(parts.reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], document))
  }
  return resolve
}

/** Lists are as long as the document allows, except that each variant is one shorter. */
const numberOf = ({ name, example, schema }: Parameter, variant: number): number => {
  const { minimum = 0, maximum = 2 ** 31 - 1 } = schema
  if (name === 'limit') return Math.max(minimum, maximum - (variant % 500))
  return minimum + ((Number(example ?? minimum) - minimum + variant) % (maximum - minimum + 1))
}

const valueOf = (parameter: Parameter, variant: number): string | undefined => {
  const { example, schema } = parameter
  if (schema.type === 'integer') return String(numberOf(parameter, variant))
  if (parameter.name === 'category' && parameter.in === 'path' && variant % 2 === 1) return 'Long'
  return example === undefined ? undefined : `${example}`
}

const pathOf = (template: string, parameters: readonly Parameter[]) => (variant: number) => {
  const query = new URLSearchParams()
  let path = template
  for (const parameter of parameters) {
    const value = valueOf(parameter, variant)
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(value ?? 'a'))
    if (parameter.in === 'query' && value !== undefined) query.set(parameter.name, value)
  }
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

const operationsOf = (service: Operation['service']): Operation[] => {
  const document: Document = JSON.parse(readFileSync(join(root, `api/openapi/${service}.json`), 'utf8'))
  const resolve = resolver(document)
  return Object.entries(document.paths).flatMap(([template, item]) =>
    Object.entries(item).map(([method, { operationId, tags, parameters = [], requestBody }]) => {
      const body = requestBody === undefined ? undefined : (resolve(requestBody) as Body)
      const [mediaType] = Object.keys(body?.content ?? {})
      return {
        service,
        id: operationId,
        method: method.toUpperCase(),
        isOperational: tags.includes('operations'),
        pathOf: pathOf(
          template,
          parameters.map((parameter) => resolve(parameter) as Parameter),
        ),
        ...(mediaType !== undefined && { mediaType }),
      }
    }),
  )
}

/** Pages that the documents do not mention. */
const pages: readonly Operation[] = (['product', 'basket'] as const).flatMap((service) =>
  ['/docs', '/openapi.json'].map((path) => ({
    service,
    id: path,
    method: 'GET',
    isOperational: true,
    pathOf: () => path,
  })),
)

/** Every operation of both services, as committed in api/openapi: one that is new is attacked, too. */
const operations: readonly Operation[] = [...operationsOf('product'), ...operationsOf('basket'), ...pages]

export const reads = operations.filter(({ method }) => method === 'GET')
export const withBody = operations.filter(({ mediaType }) => mediaType !== undefined)

/** The request, without its body. */
export const headOf = (
  { method, pathOf: path, mediaType }: Operation,
  variant: number,
  length?: number,
): string =>
  [
    `${method} ${path(variant)} HTTP/1.1`,
    'Host: localhost',
    ...(length === undefined ? [] : [`Content-Type: ${mediaType}`, `Content-Length: ${length}`]),
    '\r\n',
  ].join('\r\n')

export const titleOf = ({ service, id }: Operation): string => `${id} of ${service}`

export const portFor = (shop: Shop, { service }: Operation): number => portOf(shop[service])
