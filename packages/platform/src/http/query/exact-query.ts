import type { FastifySchema } from 'fastify'
import { type TProperties, Type } from 'typebox'

/**
 * The query parameters of a list. An unknown parameter is refused with a 400: if it were ignored, a client that
 * pages by `page` would read the first page forever.
 */
export const exactQuery = <Properties extends TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false })

const note = 'Unknown query parameters are refused with a 400.'

/**
 * Adds a note to the description of a route with an `exactQuery`, because OpenAPI cannot say that other query
 * parameters are refused.
 */
export const describeExactQuery = (schema: FastifySchema = {}): FastifySchema => {
  const query: unknown = schema.querystring
  const isExact =
    typeof query === 'object' &&
    query !== null &&
    'additionalProperties' in query &&
    query.additionalProperties === false
  if (!isExact) return schema
  return { ...schema, description: [schema.description, note].filter(Boolean).join(' ') }
}
