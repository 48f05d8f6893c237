import { STATUS_CODES } from 'node:http'
import { AppError, defaultCode, type ErrorDetails } from '@shop/kernel/errors.ts'
import { type TSchema, Type } from 'typebox'
import { internalMessage, overloadMessage } from '../transports.ts'
import { httpStatus, kindOfHttp } from './status.ts'

/**
 * The body of an error response: RFC 9457, with the error code, the request id and the details of the error.
 */
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

/** Additional members of a service's problems, as JSON Schema: the facts in the details of its errors. */
export type ProblemMembers = Readonly<Record<string, object>>

const optional = (members: ProblemMembers) =>
  Object.fromEntries(
    Object.entries(members).map(([name, schema]) => [name, Type.Optional(Type.Unsafe(schema))]),
  )

const violationSchema = (members: ProblemMembers): TSchema =>
  Type.Object(
    {
      path: Type.String({ description: 'JSON Pointer' }),
      message: Type.String(),
      code: Type.Optional(
        Type.String({ description: 'The code of the problem that this value alone would get' }),
      ),
      ...optional(members),
    },
    { title: 'Violation' },
  )

export const problemSchema = (members: ProblemMembers = {}): TSchema =>
  Type.Object(
    {
      type: Type.String({ examples: ['about:blank'] }),
      title: Type.String({ description: 'The standard text of the status' }),
      status: Type.Integer(),
      detail: Type.String({ description: 'For people: names the field and its rule' }),
      code: Type.String({ description: 'For programs: stable', examples: ['not_found'] }),
      instance: Type.String({ description: 'The path of the request' }),
      request_id: Type.String(),
      required_scope: Type.Optional(
        Type.String({ description: 'The scope that would allow the request', examples: ['things:write'] }),
      ),
      errors: Type.Optional(Type.Array(violationSchema(members))),
      ...optional(members),
    },
    { $id: 'Problem', title: 'Problem', description: 'RFC 9457 problem details' },
  )

const problemResponse = (status: number): TSchema => ({
  description: STATUS_CODES[status],
  content: { [problemMediaType]: { schema: Type.Ref('Problem#') } },
})

/**
 * The response schemas of a route's error statuses, plus 429 and 500, which every route may return: a connection over the
 * share of its client is refused whatever it asks for.
 */
export const problems = <Status extends number>(...statuses: Status[]) =>
  Object.fromEntries([...statuses, 429, 500].map((status) => [status, problemResponse(status)])) as Record<
    Status | 429 | 500,
    TSchema
  >

type RequestInfo = Readonly<{
  instance: string
  requestId: string
  /** The maximum size of the body. Missing if the route is not known. */
  maxBodyBytes?: number
  /** The media types of bodies that the route accepts. */
  mediaTypes?: readonly string[]
}>

const problem = (
  request: RequestInfo,
  { status, code, detail, ...details }: Pick<Problem, 'status' | 'code' | 'detail'> & ErrorDetails,
): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
  instance: request.instance,
  request_id: request.requestId,
  ...details,
})

const rejections: Readonly<Record<number, Pick<Problem, 'code' | 'detail'>>> = {
  404: { code: 'not_found', detail: 'path not found' },
  408: { code: 'invalid', detail: 'the request was not received in time' },
  405: {
    code: 'method_not_allowed',
    detail: 'method not allowed; the Allow header lists the allowed methods',
  },
  413: { code: 'payload_too_large', detail: 'the body is too large' },
  414: { code: 'invalid', detail: 'the path is too long' },
  415: { code: 'unsupported_media_type', detail: 'unsupported media type' },
  431: { code: 'invalid', detail: 'the headers are too large' },
  429: { code: 'rate_limited', detail: 'too many requests; try again later' },
  501: { code: 'not_implemented', detail: 'not implemented' },
  503: { code: 'unavailable', detail: overloadMessage },
}

/** The text for a status that depends on the route; undefined if it does not, or if the route is not known. */
const detailOfRoute = (status: number, { maxBodyBytes, mediaTypes }: RequestInfo): string | undefined => {
  if (status === 413 && maxBodyBytes !== undefined) return `the body must be at most ${maxBodyBytes} bytes`
  if (status === 415 && mediaTypes !== undefined)
    return `unsupported media type; send ${mediaTypes.join(' or ')}`
  return undefined
}

/**
 * The problem for a request that the HTTP server itself rejects (no such route, unreadable body, …), by its
 * status. The text is our own, because the library's text is not meant for callers.
 */
export const problemOfStatus = (status: number, request: RequestInfo): Problem => {
  const rejection = rejections[status] ?? {
    code: defaultCode(kindOfHttp(status)),
    detail:
      status === 400
        ? 'the request or its JSON body cannot be parsed'
        : `the request is refused: ${(STATUS_CODES[status] ?? 'error').toLowerCase()}`,
  }
  const detail = detailOfRoute(status, request) ?? rejection.detail
  return problem(request, { status, code: rejection.code, detail })
}

/** The part of an error that the caller may see. For a bug, only the request id, which is also in the log. */
export const problemOf = (error: unknown, request: RequestInfo): Problem =>
  error instanceof AppError && error.kind !== 'internal'
    ? problem(request, {
        status: httpStatus(error.kind),
        code: error.code,
        detail: error.message,
        ...error.details,
      })
    : problem(request, { status: 500, code: 'internal', detail: internalMessage })
