import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import type { HealthReport } from '../health/health.ts'
import { maxRequestBytes } from '../transports.ts'
import type { Document } from './openapi/document.ts'
import { documentHeaders } from './openapi/headers.ts'
import { addHealthExamples } from './openapi/health-examples.ts'
import { documentOperations, type OperationsDocumentation } from './openapi/operations.ts'
import { nameSchemas } from './openapi/schemas.ts'
import { describeExactQuery } from './query/exact-query.ts'

/** What the OpenAPI document says about a service, besides its routes. */
export type Documentation = Readonly<{
  title: string
  description?: string
  /** The title of the service next to this one, whose documentation the page links to. */
  relatedTitle?: string
  tags?: readonly Readonly<{ name: string; description: string }>[]
  /** In the order in which the page lists them. */
  operations?: OperationsDocumentation
  /** A report of the healthy service. */
  healthExample?: HealthReport
}>

/**
 * Returns a `$ref` to a schema with an `$id`, for responses. OpenAPI shows it under the `$id`; TypeScript
 * infers the type of the schema.
 */
export const reference = <Schema extends TSchema>(schema: Schema & { $id?: string }, description: string) =>
  Type.Unsafe<Static<Schema>>({ ...Type.Ref(`${schema.$id}#`), description })

/**
 * Returns the schema of a member that may be left out and then has the default. Validation adds the default, so
 * the type has no `undefined`.
 */
export const withDefault = <Schema extends TSchema>(schema: Schema, value: Static<Schema>): Schema =>
  Type.Optional({ ...schema, default: value })

const operationsTag = { name: 'operations', description: 'Health, readiness and metrics, for monitoring' }

/** Completes the document that the plugin made from the routes. */
const complete = (
  document: Document,
  { operations = {}, healthExample }: Documentation,
  maxBodyBytes: number,
): Document => {
  const documented = documentOperations(nameSchemas(document), operations, maxBodyBytes)
  return documentHeaders(addHealthExamples(documented, healthExample))
}

type Options = Documentation & Readonly<{ version: string }>

/** Makes `app.swagger()` return the OpenAPI 3.1 document, generated from the schemas of the routes. */
export const describeApi = async (app: FastifyInstance, documentation: Options): Promise<void> => {
  const { title, version, description, tags = [] } = documentation
  const maxBodyBytes = app.initialConfig.bodyLimit ?? maxRequestBytes
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title,
        version,
        ...(description && { description }),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'The server of this document' }],
      // No operation needs credentials.
      security: [],
      tags: [...tags, operationsTag],
    },
    transform: ({ schema, url }) => ({ schema: describeExactQuery(schema), url }),
    transformObject: (made) =>
      'openapiObject' in made ? complete(made.openapiObject as Document, documentation, maxBodyBytes) : {},
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) =>
        typeof schema.$id === 'string' ? schema.$id : `schema-${index}`,
    },
  })
}
