import { invalid } from '@shop/kernel/errors.ts'
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { compileSchema, type Properties, textReader } from '../config/schema.ts'

/**
 * Validates requests against the schemas of their routes. Bodies are not converted; path and query parameters
 * are first converted by `textReader`.
 */
export const validateStrictly = (app: FastifyInstance): void => {
  app.setValidatorCompiler<TSchema & Properties>(({ schema, httpPart }) => {
    const violationsOf = compileSchema(schema)
    const read = httpPart === 'body' ? (body: unknown) => body : textReader(schema)
    return (data) => {
      const value = read(data)
      const violations = violationsOf(value)
      return violations.length > 0 ? { error: invalid(...violations) } : { value }
    }
  })
}
