import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'

/**
 * Returns a `$ref` to a schema with an `$id`, for responses. OpenAPI shows it under the `$id`; TypeScript
 * infers the type of the schema.
 */
export const reference = <Schema extends TSchema>(schema: Schema & { $id?: string }, description: string) =>
  Type.Unsafe<Static<Schema>>({ ...Type.Ref(`${schema.$id}#`), description })

/** Serves OpenAPI 3.1 at /openapi.json and an interactive page at /docs, generated from the route schemas. */
export const documentApi = async (
  app: FastifyInstance,
  { title, version }: Readonly<{ title: string; version: string }>,
): Promise<void> => {
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title, version } },
    refResolver: {
      buildLocalReference: (schema, _base, _fragment, index) =>
        typeof schema.$id === 'string' ? schema.$id : `schema-${index}`,
    },
  })
  const config = { cacheControl: 'no-cache' } as const
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, ...config }
    })
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: true,
      // With this directive, browsers would load the page's own files over https, which may not be available.
      transformStaticCSP: (policy) => policy.replace(/ ?upgrade-insecure-requests;?/, ''),
      logLevel: 'warn',
    })
  })
  let document: Buffer | undefined
  app.get('/openapi.json', { schema: { hide: true }, config }, (_request, reply) => {
    document ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(document)
  })
}
