import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { type Documentation, describeApi } from '../openapi.ts'
import { addVary, preferredType } from '../responses/negotiation.ts'
import { pageHeaders } from '../responses/security-headers.ts'
import { documentationPage, icon, type Service } from './page.ts'

/** The package contains the files of Swagger UI. Its plugin is not used: docs/decisions/0042-swagger-ui-stays.md. */
const swaggerUi = dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css')))
const ownFiles = join(import.meta.dirname, 'static')
const folders = new Map([
  ['page.css', ownFiles],
  ['page.js', ownFiles],
  ['swagger-ui.css', swaggerUi],
  ['swagger-ui-bundle.js', swaggerUi],
])

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

const options = { schema: { hide: true }, config: { cacheControl: 'no-cache', isOpen: true } } as const

/** The OpenAPI document, under the name that pages link to, and under those of version 0.1.0. */
const registerDocument = (app: FastifyInstance, describe: ReturnType<typeof describeApi>): void => {
  // Created once: it takes milliseconds, and responses that share a buffer share its compressed forms.
  let document: Buffer | undefined
  let yaml: Buffer | undefined
  for (const path of ['/openapi.json', '/docs/json'])
    app.get(path, options, async (_request, reply) => {
      const swagger = await describe()
      document ??= Buffer.from(JSON.stringify(swagger()))
      return reply.type('application/json; charset=utf-8').send(document)
    })
  app.get('/docs/yaml', options, async (_request, reply) => {
    const swagger = await describe()
    yaml ??= Buffer.from(swagger({ yaml: true }))
    return reply.type('application/x-yaml').send(yaml)
  })
}

const registerFiles = (app: FastifyInstance): void => {
  app.get<{ Params: { '*': string } }>('/docs/static/*', options, async (request, reply) => {
    const name = request.params['*']
    const root = folders.get(name)
    if (root === undefined) return reply.callNotFound()
    const { default: send } = await import('@fastify/send')
    const sent = await send(request.raw, name, { root, cacheControl: false })
    if (sent.type === 'error') throw sent.metadata.error
    return reply.code(sent.statusCode).headers(sent.headers).send(sent.stream)
  })
}

const registerPage = (
  app: FastifyInstance,
  { title, operations = {} }: Documentation,
  related: Service | undefined,
): void => {
  const headers = { ...pageHeaders, 'content-security-policy': pagePolicy }
  const page = Buffer.from(documentationPage({ title, related, operationIds: Object.keys(operations) }))
  app.get('/docs', options, (_request, reply) =>
    reply.headers(headers).type('text/html; charset=utf-8').send(page),
  )
  const ownIcon = icon(title)
  app.get('/favicon.ico', options, (_request, reply) => reply.type('image/svg+xml').send(ownIcon))
  registerFiles(app)
}

/** The links of RFC 8631, by which programs find the documentation. */
const links =
  '</docs>; rel="service-doc"; type="text/html", </openapi.json>; rel="service-desc"; type="application/json"'

type Documented = Readonly<{
  documentation: Documentation
  version: string
  config?: Readonly<{ operationsPort?: number | undefined }> | undefined
}>

/** `/` leads people to the page, and tells programs the same in JSON. */
const registerRoot = (
  app: FastifyInstance,
  { documentation: { title }, version, config }: Documented,
  related: Service | undefined,
): void => {
  const index = {
    title,
    version,
    documentation: '/docs',
    openapi: '/openapi.json',
    health: config?.operationsPort === undefined ? '/health' : '/health/live',
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
export const serveDocumentation = (
  app: FastifyInstance,
  documented: Documented,
  relatedUrl: string | undefined,
): void => {
  const { documentation, version } = documented
  const { relatedTitle } = documentation
  const related =
    relatedTitle === undefined || relatedUrl === undefined
      ? undefined
      : { title: relatedTitle, url: relatedUrl }
  registerDocument(app, describeApi(app, { ...documentation, version }))
  registerPage(app, documentation, related)
  registerRoot(app, documented, related)
}
