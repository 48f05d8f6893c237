import { STATUS_CODES } from 'node:http'
import { AppError, defaultCode, type ErrorDetails } from '@shop/kernel/errors.ts'
import { type TSchema, Type } from 'typebox'
import { internalMessage, maxRequestBytes, overloadMessage } from '../transports.ts'
import { httpStatus, kindOfHttp } from './status.ts'

/** An error on the wire: RFC 9457, with the code for programs, the request id and the details of the error. */
export type Problem = ErrorDetails &
  Readonly<{
    type: 'about:blank'
    title: string
    status: number
    detail: string
    code: string
    instance: string
    request_id: string
  }>

export const problemMediaType = 'application/problem+json'

/** Members of a problem besides those of every problem, as JSON Schema: the facts that the errors of a service tell. */
export type ProblemMembers = Readonly<Record<string, object>>

const example = {
  type: 'about:blank',
  title: 'Bad Request',
  status: 400,
  detail: 'name must not be empty',
  code: 'invalid',
  instance: '/',
  request_id: 'b0c2a7c4-6f0e-4d1d-9a0b-2a9f3c1d5e77',
  errors: [{ path: '/name', message: 'must not be empty' }],
}

export const problemSchema = (members: ProblemMembers = {}): TSchema =>
  Type.Object(
    {
      type: Type.String({ examples: ['about:blank'] }),
      title: Type.String({ description: "The status' standard text" }),
      status: Type.Integer(),
      detail: Type.String({ description: 'For a person: names the field and its rule' }),
      code: Type.String({ description: 'For a program: stable', examples: ['not_found'] }),
      instance: Type.String({ description: 'The path of the request' }),
      request_id: Type.String(),
      errors: Type.Optional(
        Type.Array(
          Type.Object({ path: Type.String({ description: 'JSON Pointer' }), message: Type.String() }),
        ),
      ),
      ...Object.fromEntries(
        Object.entries(members).map(([name, schema]) => [name, Type.Optional(Type.Unsafe(schema))]),
      ),
    },
    { $id: 'Problem', title: 'Problem', description: 'RFC 9457 problem details', examples: [example] },
  )

const problemResponse = (status: number): TSchema => ({
  description: STATUS_CODES[status],
  content: { [problemMediaType]: { schema: Type.Ref('Problem#') } },
})

/** The response schemas of the errors that a route may answer with; every route may also answer 500. */
export const problems = <Status extends number>(...statuses: Status[]) =>
  Object.fromEntries([...statuses, 500].map((status) => [status, problemResponse(status)])) as Record<
    Status | 500,
    TSchema
  >

type Where = Readonly<{ instance: string; requestId: string }>

const problem = (
  where: Where,
  { status, code, detail, ...details }: Pick<Problem, 'status' | 'code' | 'detail'> & ErrorDetails,
): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
  instance: where.instance,
  request_id: where.requestId,
  ...details,
})

const refusals: Readonly<Record<number, Pick<Problem, 'code' | 'detail'>>> = {
  404: { code: 'not_found', detail: 'path not found' },
  408: { code: 'invalid', detail: 'the request was not received in time' },
  405: {
    code: 'method_not_allowed',
    detail: 'method not allowed; the Allow header lists the allowed methods',
  },
  413: { code: 'payload_too_large', detail: `the body must be at most ${maxRequestBytes} bytes` },
  414: { code: 'invalid', detail: 'the path is too long' },
  415: { code: 'unsupported_media_type', detail: 'the body must be uncompressed application/json' },
  431: { code: 'invalid', detail: 'the headers are too large' },
  429: { code: 'rate_limited', detail: 'too many requests; try again later' },
  503: { code: 'unavailable', detail: overloadMessage },
}

/**
 * What a refusal of the HTTP server itself (no such route, unreadable body, …) says, by its status. The text is ours:
 * the library's is not for callers.
 */
export const problemOfStatus = (status: number, where: Where): Problem => {
  const refusal = refusals[status] ?? {
    code: defaultCode(kindOfHttp(status)),
    detail: 'the request or its JSON body cannot be parsed',
  }
  return problem(where, { status, ...refusal })
}

/** What the caller may know of an error. Of a bug: nothing but the request id, under which the log has the rest. */
export const problemOf = (error: unknown, where: Where): Problem =>
  error instanceof AppError && error.kind !== 'internal'
    ? problem(where, {
        status: httpStatus(error.kind),
        code: error.code,
        detail: error.message,
        ...error.details,
      })
    : problem(where, { status: 500, code: 'internal', detail: internalMessage })
