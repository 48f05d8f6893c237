import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { anybody, scope } from '@shop/kernel/policy.ts'
import { Type } from 'typebox'
import { guardedBy } from '../../src/http/openapi/access.ts'
import { withDefault } from '../../src/http/openapi.ts'
import { problems } from '../../src/http/problem.ts'
import { exactQuery } from '../../src/http/query/exact-query.ts'
import { startServer } from '../support/http-server.ts'

const Color = Type.Enum(['red', 'blue'])
const Part = Type.Object({ color: Color }, { title: 'Part' })
const Thing = Type.Object(
  {
    name: Type.String(),
    parts: Type.Array(Part),
    size: withDefault(Type.Integer({ description: 'In cm' }), 7),
  },
  { if: { required: ['parts'] }, else: { required: ['size'] }, title: 'Thing' },
)

/** Routes that echo what validation makes of a request. */
const startThings = () =>
  startServer({
    documentation: {
      operations: {
        listThings: { description: 'Lists things.', guard: guardedBy(anybody, undefined), problems: [] },
        putThing: {
          description: 'Puts a thing.',
          guard: guardedBy(scope('things:write'), undefined),
          problems: [new AppError('not_found', 'thing 4 not found')],
        },
      },
    },
    routes: async (app) => {
      const list = {
        operationId: 'listThings',
        description: 'All of them.',
        querystring: exactQuery({ limit: withDefault(Type.Integer(), 10) }),
      }
      app.get('/things', { schema: list }, async ({ query }) => query)
      const put = {
        operationId: 'putThing',
        params: Type.Object({ id: Type.Integer({ examples: [4] }) }),
        body: Thing,
        response: { 200: Thing, ...problems(404, 412, 503) },
      }
      app.put('/things/:id', { schema: put }, async ({ body }) => body)
    },
  })

const readDocument = async () => {
  await using server = await startThings()
  return (await server.app.inject('/openapi.json')).json()
}

describe('the OpenAPI document', () => {
  it('has optional parameters and members where validation adds a default', async () => {
    const { paths, components } = await readDocument()
    const [limit] = paths['/things'].get.parameters
    assert.deepEqual([limit.name, limit.required, limit.schema.default], ['limit', false, 10])
    assert.deepEqual(components.schemas.Thing.required, ['name', 'parts'])
    // With the keyword `default`, openapi-typescript would make the member required.
    assert.deepEqual(components.schemas.Thing.properties.size, {
      type: 'integer',
      description: 'In cm; 7 if left out',
    })

    await using server = await startThings()
    assert.deepEqual((await server.app.inject('/things')).json(), { limit: 10 })
    const payload = { name: 'a', parts: [] }
    const stored = await server.app.inject({ method: 'PUT', url: '/things/4', payload })
    assert.deepEqual(stored.json(), { ...payload, size: 7 })
  })

  it('has a component for every schema with a title, and a type beside every enum', async () => {
    const { paths, components } = await readDocument()
    const { requestBody, responses } = paths['/things/{id}'].put
    const reference = { $ref: '#/components/schemas/Thing' }
    assert.deepEqual(requestBody.content['application/json'].schema, reference)
    assert.deepEqual(responses[200].content['application/json'].schema, reference)
    assert.deepEqual(components.schemas.Thing.properties.parts.items, { $ref: '#/components/schemas/Part' })
    assert.deepEqual(components.schemas.Part.properties.color, { type: 'string', enum: ['red', 'blue'] })
  })

  it('has no conditions, which generators do not know', async () => {
    const { components } = await readDocument()
    assert.deepEqual(
      Object.keys(components.schemas.Thing).filter((keyword) => ['if', 'then', 'else'].includes(keyword)),
      [],
    )
  })

  it('is refused if different schemas have the same title', async () => {
    await using server = await startServer({
      routes: async (app) => {
        for (const schema of [Type.Object({}, { title: 'Thing' }), Thing])
          app.post(`/${Object.keys(schema.properties).length}`, { schema: { body: schema } }, async () => {})
      },
    })
    assert.equal((await server.app.inject('/openapi.json')).statusCode, 500)
    const failure = server.lines.find(({ msg }) => msg === 'request failed')
    assert.match(JSON.stringify(failure), /two schemas have the title Thing/)
  })

  it('has the headers that follow from the statuses, which are not validated', async () => {
    const { paths, components } = await readDocument()
    const { parameters, responses } = paths['/things/{id}'].put
    const parameterNames = parameters.flatMap(({ $ref = '' }) => $ref.split('/').slice(3))
    assert.deepEqual(parameterNames, ['IfMatch', 'IfNoneMatch', 'XRequestID'])
    assert.deepEqual(components.parameters.IfMatch.required, false)
    const headersOf = (status: number) => Object.keys(responses[status].headers)
    const always = ['Cache-Control', 'RateLimit', 'RateLimit-Policy', 'X-Request-ID']
    assert.deepEqual(headersOf(200), ['ETag', ...always])
    assert.deepEqual(headersOf(503), ['Retry-After', ...always])

    await using server = await startThings()
    const headers = { 'if-match': '', 'if-none-match': '(', 'x-request-id': '' }
    const payload = { name: 'a', parts: [] }
    const response = await server.app.inject({ method: 'PUT', url: '/things/4', payload, headers })
    assert.equal(response.statusCode, 200)
  })

  it('has the problems of an operation as examples, with the path of the request', async () => {
    const { paths } = await readDocument()
    assert.equal(
      paths['/things'].get.description,
      'Lists things. All of them. Unknown query parameters are refused with a 400.',
    )
    const { description, responses } = paths['/things/{id}'].put
    assert.equal(description, 'Puts a thing. Needs the scope `things:write`.')
    const exampleOf = (status: number) => responses[status].content['application/problem+json'].examples
    const { request_id: requestId, ...problem } = exampleOf(404).not_found.value
    assert.deepEqual(problem, {
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'thing 4 not found',
      code: 'not_found',
      instance: '/things/4',
    })
    assert.equal(typeof requestId, 'string')
    assert.equal(exampleOf(503).unavailable.value.detail, 'overloaded, try again later')
    assert.equal(exampleOf(412), undefined, 'there is no example that would be true')
  })

  it('says who may call each operation, and how others are refused', async () => {
    const { paths, components } = await readDocument()
    assert.deepEqual(Object.keys(components.securitySchemes), ['bearer'])
    const { get } = paths['/things']
    assert.deepEqual(get.security, [{}, { bearer: [] }])
    assert.ok('401' in get.responses && !('403' in get.responses))
    const { put } = paths['/things/{id}']
    assert.deepEqual(put.security, [{ bearer: ['things:write'] }])
    const detailOf = (status: number) =>
      Object.values<{ value: { detail: string; required_scope?: string } }>(
        put.responses[status].content['application/problem+json'].examples,
      ).map(({ value }) => [value.detail, value.required_scope])
    assert.deepEqual(detailOf(401), [['this needs credentials with the scope things:write', undefined]])
    assert.deepEqual(detailOf(403), [['this needs the scope things:write', 'things:write']])
    assert.ok('WWW-Authenticate' in put.responses[401].headers)
    for (const path of ['/health', '/health/live', '/health/ready', '/metrics'])
      assert.deepEqual(paths[path].get.security, [], path)
  })

  it('is refused if an operation does not say who may call it', async () => {
    await using server = await startServer({
      documentation: { operations: {} },
      routes: async (app) => {
        app.get('/things', { schema: { operationId: 'listThings' } }, async () => [])
      },
    })
    assert.equal((await server.app.inject('/openapi.json')).statusCode, 500)
    const failure = server.lines.find(({ msg }) => msg === 'request failed')
    assert.match(JSON.stringify(failure), /GET \/things: its documentation does not say who may call it/)
  })
})
