import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'

type Schema = Readonly<{ examples?: readonly unknown[] }>
type Media = Readonly<{
  schema: Schema
  example?: unknown
  examples?: Readonly<Record<string, { value: unknown }>>
}>
type Content = Readonly<Record<string, Media>>
type Parameter = Readonly<{ name?: string; in?: string; example?: unknown; schema?: Schema }>
type Response = Readonly<{ content?: Content; headers: Readonly<Record<string, Readonly<{ $ref: string }>>> }>
type Operation = Readonly<{
  operationId: string
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Content }>
  responses: Readonly<Record<string, Response>>
}>
type Header = Readonly<{ required?: boolean }>
type Document = Readonly<{
  components: Readonly<{
    schemas: Readonly<Record<string, Schema>>
    headers: Readonly<Record<string, Header>>
  }>
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}>
type Problem = Readonly<{ status: number; code: string; instance: string }>
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What a request has besides the examples of its operation. */
type Overrides = Pick<InjectOptions, 'headers' | 'query'> & Readonly<{ payload?: unknown }>

const problemMediaType = 'application/problem+json'

/** The headers that depend on the operation, and those that every response has. */
const documentedHeaders = [
  'ETag',
  'Location',
  'Retry-After',
  'Accept-Post',
  'Accept-Patch',
  'WWW-Authenticate',
  'Cache-Control',
  'X-Request-ID',
]

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      path,
      method: method.toUpperCase() as Method,
      operation,
    })),
  )

const examplesOf = ({ example, examples = {} }: Media): unknown[] => [
  ...(example === undefined ? [] : [example]),
  ...Object.values(examples).map(({ value }) => value),
]

/** Every example in the document, with the schema of what it is an example of. */
const everyExample = (document: Document): (readonly [Schema, unknown])[] => {
  const contents = operationsOf(document).flatMap(({ operation: { requestBody, responses } }) =>
    [requestBody, ...Object.values(responses)].flatMap((holder) => Object.values(holder?.content ?? {})),
  )
  const parameters = operationsOf(document).flatMap(({ operation }) => operation.parameters ?? [])
  return [
    ...contents.flatMap((media) => examplesOf(media).map((example) => [media.schema, example] as const)),
    ...parameters.flatMap(({ schema, example }) =>
      schema === undefined || example === undefined ? [] : [[schema, example] as const],
    ),
    ...Object.values(document.components.schemas).flatMap((schema) =>
      (schema.examples ?? []).map((example) => [schema, example] as const),
    ),
  ]
}

/** The path with the examples of its parameters. */
const examplePath = (path: string, parameters: readonly Parameter[] = []): string =>
  path.replaceAll(/\{(.+?)\}/g, (_, name: string) => {
    const { example } =
      parameters.find((parameter) => parameter.in === 'path' && parameter.name === name) ?? {}
    assert.ok(example !== undefined, `${path}: ${name} has no example`)
    return encodeURIComponent(`${example as string | number}`)
  })

/**
 * Reads the OpenAPI document of a service, to compare its examples with what the service does. `unseen` lists the
 * documented responses that no request has had so far.
 */
export const readExamples = async (server: FastifyInstance) => {
  const document: Document = (await server.inject('/openapi.json')).json()
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(document, 'openapi')
  const assertValid = (schema: Schema, value: unknown) => {
    const resolved = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/'))
    const validate = ajv.compile(resolved)
    assert.ok(validate(value), `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`)
  }

  const operations = new Map(operationsOf(document).map((place) => [place.operation.operationId, place]))
  const unseen = new Set<string>()
  for (const [operationId, { operation }] of operations)
    for (const [status, { content = {} }] of Object.entries(operation.responses)) {
      const codes = Object.keys(content[problemMediaType]?.examples ?? { '': true })
      for (const code of codes) unseen.add(`${operationId} ${status} ${code}`.trimEnd())
    }

  const operationOf = (operationId: string) => {
    const place = operations.get(operationId)
    assert.ok(place, operationId)
    const { path, operation } = place
    const [[mediaType, media] = []] = Object.entries(operation.requestBody?.content ?? {})
    const example = media && examplesOf(media)[0]
    return { ...place, url: examplePath(path, operation.parameters), mediaType, example }
  }

  const send = (http: FastifyInstance, operationId: string, url: string, overrides: Overrides) => {
    const { method, mediaType = 'application/json', example } = operationOf(operationId)
    const { headers, query, payload = example } = overrides
    return http.inject({
      method,
      url,
      headers: { ...(payload !== undefined && { 'content-type': mediaType }), ...headers },
      ...(query && { query }),
      ...(payload !== undefined && {
        payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
      }),
    })
  }

  const assertHeaders = (operation: Operation, { statusCode, headers }: LightMyRequestResponse) => {
    const documented = operation.responses[statusCode]?.headers ?? {}
    for (const name of documentedHeaders) {
      const what = `${operation.operationId} ${statusCode}: ${name}`
      const isSent = headers[name.toLowerCase()] !== undefined
      const component = documented[name]?.$ref.split('/').at(-1)
      if (isSent) assert.ok(component !== undefined, `${what} is sent, but not documented`)
      const isRequired = component !== undefined && document.components.headers[component]?.required === true
      if (isRequired) assert.ok(isSent, `${what} is documented as required, but not sent`)
    }
  }

  return {
    unseen,
    /** Asserts that every example in the document has the type of its schema. */
    assertExamplesValid: () => {
      for (const [schema, example] of everyExample(document)) assertValid(schema, example)
    },
    /** Sends the example request. Asserts that the response is documented, with this status. */
    assertSuccess: async (
      http: FastifyInstance,
      operationId: string,
      status: number,
      overrides: Overrides = {},
    ) => {
      const { operation, url } = operationOf(operationId)
      const response = await send(http, operationId, url, overrides)
      assert.equal(response.statusCode, status, `${operationId}: ${response.body}`)
      assertHeaders(operation, response)
      const [type = ''] = (response.headers['content-type'] ?? '').split(';')
      const content = operation.responses[status]?.content
      if (response.body === '') assert.equal(content, undefined, `${operationId} ${status}`)
      else {
        const media = content?.[type]
        assert.ok(media, `${operationId} ${status} ${type}`)
        assertValid(media.schema, type.endsWith('json') ? response.json() : response.body)
      }
      unseen.delete(`${operationId} ${status}`)
      return response
    },
    /** Sends a request that fails. Asserts that the response is the problem of the operation's example. */
    assertProblem: async (
      http: FastifyInstance,
      operationId: string,
      code: string,
      overrides: Overrides = {},
    ) => {
      const { operation } = operationOf(operationId)
      const examples = Object.values(operation.responses).flatMap(({ content = {} }) =>
        content[problemMediaType] ? examplesOf(content[problemMediaType]) : [],
      ) as Problem[]
      const example = examples.find((problem) => problem.code === code)
      assert.ok(example, `${operationId} has no example of ${code}`)
      const response = await send(http, operationId, example.instance, overrides)
      const { request_id: requestId, ...problem } = response.json()
      const { request_id: _, ...expected } = example as Problem & { request_id: string }
      assert.deepEqual(problem, expected, operationId)
      assert.equal(response.statusCode, example.status)
      assert.equal(requestId, response.headers['x-request-id'])
      assertHeaders(operation, response)
      unseen.delete(`${operationId} ${example.status} ${code}`)
    },
    /** The ids of the operations that have an example of the problem. */
    operationsWith: (code: string): string[] =>
      [...unseen].filter((key) => key.endsWith(` ${code}`)).map((key) => key.split(' ', 1)[0] ?? ''),
  }
}
