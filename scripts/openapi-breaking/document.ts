import { isDeepStrictEqual } from 'node:util'

/** A schema of OpenAPI 3.1, with the keywords that schemas.ts compares. */
export type Schema = Readonly<{
  $ref?: string
  type?: string | readonly string[]
  enum?: readonly unknown[]
  const?: unknown
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  additionalProperties?: boolean | Schema
  items?: Schema
  [keyword: string]: unknown
}>

export type Content = Readonly<Record<string, Readonly<{ schema?: Schema }>>>

export type Parameter = Readonly<{ name: string; in: string; required?: boolean; schema?: Schema }>
export type Body = Readonly<{ required?: boolean; content?: Content }>
type Header = Readonly<{ required?: boolean; schema?: Schema }>
export type Response = Readonly<{ content?: Content; headers?: Readonly<Record<string, Header>> }>
type Security = readonly Readonly<Record<string, readonly string[]>>[]

export type Operation = Readonly<{
  parameters?: readonly Parameter[]
  requestBody?: Body
  responses?: Readonly<Record<string, Response>>
  security?: Security
}>

type PathItem = Readonly<{ parameters?: readonly Parameter[] } & { [method: string]: Operation }>

export type Document = Readonly<{
  paths: Readonly<Record<string, PathItem>>
  security?: Security
  components?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}>

/** Follows `$ref` within the document. The keywords beside a `$ref` apply too, as in OpenAPI 3.1. */
export const resolve = <T extends object>(document: Document, value: T): T => {
  if (!('$ref' in value)) return value
  const { $ref, ...beside } = value
  let target: unknown = document
  for (const part of String($ref).replace(/^#\//, '').split('/')) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    target = typeof target === 'object' && target !== null ? Reflect.get(target, key) : undefined
  }
  if (typeof target !== 'object' || target === null) throw new Error(`cannot resolve $ref ${String($ref)}`)
  return { ...resolve(document, target), ...beside } as T
}

export const includes = (values: readonly unknown[], value: unknown): boolean =>
  values.some((candidate) => isDeepStrictEqual(candidate, value))
