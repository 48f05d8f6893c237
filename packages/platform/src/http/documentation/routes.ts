import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { type Documentation, describeApi } from '../openapi.ts'
import { addVary, preferredType } from '../responses/negotiation.ts'
import { pageHeaders } from '../security-headers.ts'
import { documentationPage, icon, type Service } from './page.ts'

/** The package contains the files of Swagger UI. Its plugin is not used: docs/decisions/0042-swagger-ui-stays.md. */
const swaggerUi = dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css')))
const ownFiles = join(import.meta.dirname, 'static')
const files = new Set(['page.css', 'page.js', 'swagger-ui.css', 'swagger-ui-bundle.js'])

/** Only what the page needs: its own files, and requests to the service itself. `data:` has icons of Swagger UI. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join(';')

const options = { schema: { hide: true }, config: { cacheControl: 'no-cache' } } as const

/** The OpenAPI document, under the name that pages link to, and under those of version 0.1.0. */
const registerDocument = (app: FastifyInstance): void => {
  // Created once: it takes milliseconds, and responses that share a buffer share its compressed forms.
  let document: Buffer | undefined
  let yaml: Buffer | undefined
  for (const path of ['/openapi.json', '/docs/json'])
    app.get(path, options, (_request, reply) => {
      document ??= Buffer.from(JSON.stringify(app.swagger()))
      return reply.type('application/json; charset=utf-8').send(document)
    })
  app.get('/docs/yaml', options, (_request, reply) => {
    yaml ??= Buffer.from(app.swagger({ yaml: true }))
    return reply.type('application/x-yaml').send(yaml)
  })
}

const registerFiles = async (app: FastifyInstance): Promise<void> => {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, ...options.config }
  })
  await app.register(fastifyStatic, {
    root: [ownFiles, swaggerUi],
    prefix: '/docs/static',
    decorateReply: false,
    index: false,
    cacheControl: false,
    allowedPath: (path) => files.has(path.slice(1)),
  })
}

const registerPage = async (
  app: FastifyInstance,
  { title, operations = {} }: Documentation,
  related: Service | undefined,
): Promise<void> => {
  const headers = { ...pageHeaders, 'content-security-policy': pagePolicy }
  const page = Buffer.from(documentationPage({ title, related, operationIds: Object.keys(operations) }))
  app.get('/docs', options, (_request, reply) =>
    reply.headers(headers).type('text/html; charset=utf-8').send(page),
  )
  const ownIcon = icon(title)
  app.get('/favicon.ico', options, (_request, reply) => reply.type('image/svg+xml').send(ownIcon))
  await app.register(registerFiles)
}

/** The links of RFC 8631, by which programs find the documentation. */
const links =
  '</docs>; rel="service-doc"; type="text/html", </openapi.json>; rel="service-desc"; type="application/json"'

/** `/` leads people to the page, and tells programs the same in JSON. */
const registerRoot = (app: FastifyInstance, title: string, version: string, related?: Service): void => {
  const index = {
    title,
    version,
    documentation: '/docs',
    openapi: '/openapi.json',
    health: '/health',
    ...(related && { related: { title: related.title, documentation: related.url } }),
  }
  app.get('/', options, ({ headers }, reply) => {
    addVary(reply.header('link', links), 'Accept')
    const type = preferredType(headers.accept, ['application/json', 'text/html'])
    return type === 'text/html' ? reply.redirect('/docs') : reply.send(index)
  })
}

/**
 * Serves the OpenAPI document at /openapi.json and a page for people at /docs; `/` leads there. The page links to
 * the documentation of the related service if its URL is known.
 */
export const serveDocumentation = async (
  app: FastifyInstance,
  { documentation, version }: Readonly<{ documentation: Documentation; version: string }>,
  relatedUrl: string | undefined,
): Promise<void> => {
  const { title, relatedTitle } = documentation
  const related =
    relatedTitle === undefined || relatedUrl === undefined
      ? undefined
      : { title: relatedTitle, url: relatedUrl }
  await describeApi(app, { ...documentation, version })
  registerDocument(app)
  await registerPage(app, documentation, related)
  registerRoot(app, title, version, related)
}
