import SerializerSelector from '@fastify/fast-json-stringify-compiler'
import { invalid } from '@shop/kernel/errors.ts'
import type { FastifyServerOptions } from 'fastify'
import type { TSchema } from 'typebox'
import { compileSchema, type Properties, textReader } from '../../config/schema.ts'

type RouteSchema = Readonly<{ schema: TSchema & Properties; httpPart?: string }>

/**
 * Validates requests against the schemas of their routes. Bodies are not converted; path and query parameters
 * are first converted by `textReader`.
 */
const validator = ({ schema, httpPart }: RouteSchema) => {
  const violationsOf = compileSchema(schema)
  const read = httpPart === 'body' ? (body: unknown) => body : textReader(schema)
  return (data: never) => {
    const value = read(data)
    const violations = violationsOf(value)
    return violations.length > 0 ? { error: invalid(...violations) } : { value }
  }
}

const lazily = <Data, Result>(compile: () => (data: Data) => Result) => {
  let compiled: ReturnType<typeof compile> | undefined
  return (data: Data): Result => {
    compiled ??= compile()
    return compiled(data)
  }
}

const buildSerializer = SerializerSelector()

type SchemaController = NonNullable<FastifyServerOptions['schemaController']>
type Compilers = NonNullable<SchemaController['compilersFactory']>

const compilersFactory: Compilers = {
  // Fastify's type is that of its own AJV, which is not loaded.
  buildValidator: (() => (route: RouteSchema) => lazily(() => validator(route))) as never,
  buildSerializer: (...given) => {
    const serializer = buildSerializer(...given)
    return (route) => lazily(() => serializer(route))
  },
}

/**
 * Compiles each schema when the first request or response needs it. Most are for statuses that are rarely sent, and
 * compiling all takes a tenth of the CPU time of a start. The tests of the OpenAPI examples need each of them.
 */
export const schemaController: SchemaController = { compilersFactory }
