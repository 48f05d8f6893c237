import assert from 'node:assert/strict'
import { request } from './http.ts'

type Value = string | number
type Schema = Readonly<{ default?: Value }>
type Parameter = Readonly<{
  name: string
  in: string
  example?: Value
  schema?: Schema
}>
type Media = Readonly<{ example?: unknown; examples?: Readonly<Record<string, { value: unknown }>> }>
type Operation = Readonly<{
  operationId: string
  tags: readonly string[]
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Media>> }>
}>
type Document = Readonly<{
  tags: readonly Readonly<{ name: string }>[]
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}>

/** A request that the documentation page sends if nothing is filled in: "Try it out", then "Execute". */
type OfferedRequest = Readonly<{
  operationId: string
  method: string
  path: string
  mediaType?: string
  body?: unknown
}>

/** The page offers the first of several examples. */
const exampleOf = ({ example, examples = {} }: Media): unknown => example ?? Object.values(examples)[0]?.value

const offered = (template: string, method: string, operation: Operation): OfferedRequest => {
  const { operationId, parameters = [], requestBody } = operation
  const named = (place: string) =>
    parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, example, schema }) => [name, example ?? schema?.default] as const)
  const path = named('path').reduce((text, [name, value]) => {
    assert.notEqual(value, undefined, `${operationId}: ${name} has no example`)
    return text.replace(`{${name}}`, encodeURIComponent(String(value)))
  }, template)
  const query = named('query').flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const [content] = Object.entries(requestBody?.content ?? {})
  return {
    operationId,
    method: method.toUpperCase(),
    path: query.length === 0 ? path : `${path}?${new URLSearchParams(query).toString()}`,
    ...(content !== undefined && { mediaType: content[0], body: exampleOf(content[1]) }),
  }
}

/** The requests of the documentation page of the service at `url`, from its top to its bottom. */
const offeredRequests = async (url: string): Promise<readonly OfferedRequest[]> => {
  const { body: page } = await request('GET', `${url}/docs`)
  const [, ids = ''] = /data-operations="([^"]*)"/.exec(page) ?? []
  const order = ids.split(' ')
  const document: Document = (await request('GET', `${url}/openapi.json`)).body
  const requests = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      tag: document.tags.findIndex(({ name }) => name === operation.tags[0]),
      position: order.indexOf(operation.operationId),
      request: offered(path, method, operation),
    })),
  )
  return requests.toSorted((a, b) => a.tag - b.tag || a.position - b.position).map((entry) => entry.request)
}

/**
 * Sends the requests of the documentation page one after the other. Asserts that each succeeds, and that no list is
 * empty. Resolves with the ids of the operations.
 */
export const assertOfferedRequestsSucceed = async (url: string): Promise<readonly string[]> => {
  const requests = await offeredRequests(url)
  for (const { operationId, method, path, mediaType, body } of requests) {
    const headers = mediaType === undefined ? {} : { 'content-type': mediaType }
    const response = await request(method, `${url}${path}`, body, headers)
    const what = `${operationId}: ${method} ${path} ${JSON.stringify(body)} → ${response.status}`
    assert.ok(response.status >= 200 && response.status < 300, what)
    if ('count' in Object(response.body)) assert.ok(response.body.count > 0, what)
  }
  return requests.map(({ operationId }) => operationId)
}
