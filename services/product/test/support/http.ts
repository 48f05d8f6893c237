import assert from 'node:assert/strict'
import { STATUS_CODES } from 'node:http'
import type { createApp } from '../../src/app.ts'

type Http = Awaited<ReturnType<typeof createApp>>['http']

export type Request = Readonly<{
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  headers?: Record<string, string>
  /** Objects are serialized as JSON. Strings and buffers are sent unchanged. Default content type: JSON. */
  payload?: string | Buffer | object
}>

/** Sends the request through the whole HTTP server, without a socket. */
export const send = (http: Http, { headers = {}, payload, ...request }: Request) =>
  http.inject({
    ...request,
    headers: { ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(payload !== undefined && { payload }),
  })

type Response = Awaited<ReturnType<typeof send>>

type Refusal = Readonly<{
  status: number
  code: string
  /** The paths of the violations in `errors`, in order. */
  paths?: readonly string[]
}>

const problemMembers = ['type', 'title', 'status', 'detail', 'code', 'instance', 'request_id']
const internals = /\bselect\b|\binsert\b|\bat .+:\d+|node_modules|ECONN|ajv|fastify|pglite|postgres:/i

/** Checks for a problem document (docs/errors.md) with exactly the documented members and no internal details. */
export const assertProblem = (response: Response, url: string, { status, code, paths }: Refusal): void => {
  assert.equal(response.statusCode, status, response.body)
  assert.match(String(response.headers['content-type']), /^application\/problem\+json(; charset=utf-8)?$/)
  const problem = response.json()
  assert.deepEqual(
    Object.keys(problem).toSorted(),
    [...problemMembers, ...(paths ? ['errors'] : [])].toSorted(),
  )
  const { type, title, detail, instance, request_id, errors = [] } = problem
  assert.deepEqual(
    { type, title, instance },
    { type: 'about:blank', title: STATUS_CODES[status], instance: url.split('?')[0] },
  )
  assert.equal(problem.status, status)
  assert.equal(problem.code, code)
  assert.equal(request_id, response.headers['x-request-id'])
  assert.ok(typeof detail === 'string' && detail !== '')
  assert.doesNotMatch(detail, internals)
  const violationPaths = errors.map(({ path, message }: { path: string; message: string }) => {
    assert.ok(detail.includes(path.slice(1)) && detail.includes(message), detail)
    assert.ok(message !== '')
    return path
  })
  assert.deepEqual(violationPaths, paths ?? [])
}

/** Sends the request and checks that it is refused with this status, code and violations. */
export const assertRefused = async (http: Http, request: Request, refusal: Refusal): Promise<void> =>
  assertProblem(await send(http, request), request.url, refusal)
