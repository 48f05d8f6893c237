import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
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
  tags?: readonly Readonly<{ name: string; description: string }>[]
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

/** Makes the document from the schemas of the routes. */
const registerDocument = async (app: FastifyInstance, documentation: Options): Promise<void> => {
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

const config = { cacheControl: 'no-cache' } as const

const registerPage = async (app: FastifyInstance): Promise<void> => {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, ...config }
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // With this directive, browsers would load the page's own files over https, which may not be available.
    transformStaticCSP: (policy) => policy.replace(/ ?upgrade-insecure-requests;?/, ''),
    logLevel: 'warn',
  })
}

/** Serves OpenAPI 3.1 at /openapi.json and an interactive page at /docs, generated from the route schemas. */
export const documentApi = async (app: FastifyInstance, documentation: Options): Promise<void> => {
  await registerDocument(app, documentation)
  await app.register(registerPage)
  let document: Buffer | undefined
  app.get('/openapi.json', { schema: { hide: true }, config }, (_request, reply) => {
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}
