import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { openServices } from './support.ts'

type Services = Awaited<ReturnType<typeof openServices>>
type Http = Services['product']['http']

type Parameter = Readonly<{ name?: string; in?: string; example?: string | number }>
type Media = Readonly<{
  example?: unknown
  examples?: Readonly<Record<string, Readonly<{ value: unknown }>>>
}>
type Security = readonly Readonly<Record<string, readonly string[]>>[]
type Described = Readonly<{
  operationId: string
  security?: Security
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Media>> }>
  responses: Readonly<Record<string, unknown>>
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Described>>>> }>

type Operation = Described & Readonly<{ method: string; url: string; mediaType?: string; payload?: string }>

const urlOf = (path: string, parameters: readonly Parameter[] = []): string =>
  path.replaceAll(/\{(.+?)\}/g, (_, name: string) => {
    const { example } = parameters.find((parameter) => parameter.name === name) ?? {}
    return encodeURIComponent(String(example))
  })

/** Every operation of the service's document, with its example request. */
const operationsOf = async (http: Http): Promise<readonly Operation[]> => {
  const { paths }: Document = (await http.inject('/openapi.json')).json()
  const bodyOf = ({ requestBody }: Described) =>
    Object.entries(requestBody?.content ?? {})
      .slice(0, 1)
      .map(([mediaType, { example, examples = {} }]) => {
        const payload = JSON.stringify(example ?? Object.values(examples)[0]?.value)
        return { mediaType, payload }
      })[0]
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      ...bodyOf(operation),
      method: method.toUpperCase(),
      url: urlOf(path, operation.parameters),
    })),
  )
}

const send = async (http: Http, operation: Operation, credentials?: string) => {
  const { method, url, mediaType, payload } = operation
  return http.inject({
    method: method as 'GET',
    url,
    headers: {
      ...(mediaType !== undefined && { 'content-type': mediaType }),
      ...(credentials !== undefined && { authorization: `Bearer ${credentials}` }),
    },
    ...(payload !== undefined && { payload }),
  })
}

/** Whom the document admits. */
const accessOf = ({ security, operationId }: Operation): string => {
  assert.ok(security, `${operationId} does not say who may call it`)
  if (security.length === 0) return 'ignores credentials'
  const [first = {}, second] = security
  if (Object.keys(first).length === 0) return 'anybody'
  if (second !== undefined) return 'owner'
  return `scope ${first['bearer']?.join(' ')}`
}

/** Who is refused, and how, by what the document says. Nobody is refused who is not here. */
const refusals: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'ignores credentials': {},
  anybody: { nonsense: 401 },
  owner: { none: 401, nonsense: 401, stranger: 403, editor: 403 },
  'scope products:write': { none: 401, nonsense: 401, stranger: 403, owner: 403 },
}

const callers = ['none', 'nonsense', 'stranger', 'owner', 'editor', 'office']

const assertRefusal = async (http: Http, operation: Operation, caller: string): Promise<void> => {
  const { operationId, responses } = operation
  const access = accessOf(operation)
  const expected = refusals[access]
  assert.ok(expected, `${operationId}: ${access} is not known here`)
  const { statusCode, headers } = await send(http, operation, caller === 'none' ? undefined : caller)
  const refusal = [401, 403].includes(statusCode) ? statusCode : undefined
  assert.equal(refusal, expected[caller], `${operationId} (${access}) as ${caller}`)
  if (refusal === undefined) return
  assert.ok(String(refusal) in responses, `${operationId} has no ${refusal}`)
  assert.match(String(headers['www-authenticate']), /^Bearer realm="/)
}

/** The same request for the basket of a guest. */
const forGuest = (operation: Operation, guest: string): Operation => ({
  ...operation,
  url: operation.url.replace('user123', guest),
  ...(operation.payload && { payload: operation.payload.replace('user123', guest) }),
})

const guestOf = async (http: Http): Promise<string> => {
  const created = await http.inject({ method: 'POST', url: '/baskets', payload: { guest: true } })
  assert.equal(created.statusCode, 201)
  return created.json().user_id
}

describe('authorization over HTTP', async () => {
  const services = await openServices()
  const { product, basket } = services
  after(() => services[Symbol.asyncDispose]())

  it('refuses exactly those whom the documentation of each operation does not admit', async () => {
    const seen = new Set<string>()
    for (const { http } of [product, basket])
      for (const operation of await operationsOf(http)) {
        seen.add(accessOf(operation))
        for (const caller of callers) await assertRefusal(http, operation, caller)
      }
    assert.deepEqual(seen, new Set(Object.keys(refusals)))
  })

  it('admits whoever knows the id of its guest to every operation on a basket', async () => {
    const { http } = basket
    const operations = (await operationsOf(http)).filter((operation) => accessOf(operation) === 'owner')
    assert.ok(operations.length >= 7)
    for (const operation of operations)
      for (const caller of [undefined, 'stranger']) {
        const { statusCode } = await send(http, forGuest(operation, await guestOf(http)), caller)
        assert.ok(![401, 403].includes(statusCode), `${operation.operationId}: ${statusCode}`)
      }
  })
})
