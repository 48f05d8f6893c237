import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import type { HealthReport } from '../health/health.ts'
import { maxRequestBytes } from '../transports.ts'
import { ignoresCredentials, scopeOf, securitySchemes } from './openapi/access.ts'
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

/** The scopes that operations need, sorted. */
export const scopesOf = ({ operations = {} }: Pick<Documentation, 'operations'>): readonly string[] => {
  const scopes = Object.values(operations).flatMap(({ guard }) => scopeOf(guard.access) ?? [])
  return [...new Set(scopes)].toSorted()
}

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
  { operations, healthExample }: Documentation,
  maxBodyBytes: number,
): Document => {
  const documented = documentOperations(nameSchemas(document), operations, maxBodyBytes)
  return documentHeaders(addHealthExamples(documented, healthExample))
}

type Options = Documentation & Readonly<{ version: string }>

const swaggerOptions = (documentation: Options, maxBodyBytes: number): FastifyDynamicSwaggerOptions => {
  const { title, version, description, tags = [] } = documentation
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title,
        version,
        ...(description && { description }),
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/', description: 'The server of this document' }],
      components: { securitySchemes },
      tags: [...tags, operationsTag],
    },
    transform: ({ schema, url, route }) => ({
      schema: {
        ...describeExactQuery(schema),
        ...(route.config?.isOpen === true && { security: ignoresCredentials }),
      },
      url,
    }),
    transformObject: (made) =>
      'openapiObject' in made ? complete(made.openapiObject as Document, documentation, maxBodyBytes) : {},
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) =>
        typeof schema.$id === 'string' ? schema.$id : `schema-${index}`,
    },
  }
}

/** The document as an object, or as YAML. */
type Swagger = FastifyInstance['swagger']

const describeRoutes = async (
  app: FastifyInstance,
  instances: readonly FastifyInstance[],
  routes: readonly RouteOptions[],
  documentation: Options,
): Promise<Swagger> => {
  const { default: swagger } = await import('@fastify/swagger')
  // The plugin must be there before the routes. So this instance has the routes of `app`, and serves none.
  const described = Fastify()
  described.setValidatorCompiler(() => () => true)
  described.setSerializerCompiler(() => JSON.stringify)
  const maxBodyBytes = app.initialConfig.bodyLimit ?? maxRequestBytes
  await described.register(swagger, swaggerOptions(documentation, maxBodyBytes))
  const schemas = Object.assign({}, ...instances.map((instance) => instance.getSchemas()))
  for (const schema of Object.values(schemas)) described.addSchema(schema)
  for (const { method, url, schema, config } of routes)
    described.route({
      method,
      url,
      ...(schema && { schema }),
      ...(config && { config }),
      handler: async () => {},
    })
  await described.ready()
  return described.swagger
}

/**
 * Returns a function that makes the OpenAPI 3.1 document from the schemas of all routes that are added from now on. The
 * first call loads the library, which most processes never need.
 */
export const describeApi = (app: FastifyInstance, documentation: Options): (() => Promise<Swagger>) => {
  const routes: RouteOptions[] = []
  const instances = [app]
  app.addHook('onRegister', (instance) => void instances.push(instance))
  app.addHook('onRoute', (route) => {
    if (route.method !== 'HEAD' && route.schema?.hide !== true) routes.push(route)
  })
  let description: Promise<Swagger> | undefined
  return () => {
    description ??= describeRoutes(app, instances, routes, documentation).catch((error) => {
      description = undefined
      throw error
    })
    return description
  }
}
