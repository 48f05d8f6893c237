import { isOperational } from '../operations/is-operational.ts'
import { problemMediaType } from '../problem.ts'
import {
  type Document,
  mapOperations,
  mapResponses,
  mapValues,
  type Operation,
  type Parameter,
  type Place,
  type Response,
} from './document.ts'

const string = { type: 'string' }

const parameters = {
  'If-Match':
    'The write takes effect only if this lists the current `ETag`, or is `*` and the thing exists; otherwise 412',
  'If-None-Match':
    'A read answers 304 without a body if this lists the current `ETag` or is `*`. A write takes effect only if it does not; otherwise 412, or 400 if it is malformed',
  'Idempotency-Key':
    'Such as a random UUID. The same for each repetition of a request, and another one for each other request: 1 to 255 printable ASCII characters, with or without quotes. A request that was done before is not done again; its response has `Idempotent-Replayed`. 422 if the key belongs to a different request',
  'X-Request-ID':
    'Identifies the request in the response, in the logs and in calls to other services, if the service trusts the sender (`TRUST_PROXY`). 1 to 128 printable characters; if it is missing, malformed or not trusted, the service makes one',
}

type ParameterName = keyof typeof parameters

/** Headers that every response of their kind has are `required`. */
const headers = {
  ETag: {
    required: true,
    schema: string,
    description: 'Identifies this state, for `If-Match` and `If-None-Match`',
  },
  Location: {
    required: true,
    schema: { ...string, format: 'uri-reference' },
    description: 'The path of what was created',
  },
  'Idempotent-Replayed': {
    schema: { ...string, examples: ['true'] },
    description: '`true` if an earlier request with this `Idempotency-Key` has done the write',
  },
  'Retry-After': {
    required: true,
    schema: { type: 'integer', minimum: 0 },
    description: 'Seconds to wait before the request is repeated',
  },
  RateLimit: {
    schema: { ...string, examples: ['"reads";r=59988;t=42'] },
    description:
      'The rate limit that the request uses, if the caller is limited: `r` points are left, and all of them again after `t` seconds (draft-ietf-httpapi-ratelimit-headers-11)',
  },
  'RateLimit-Policy': {
    schema: { ...string, examples: ['"reads";q=60000;w=60'] },
    description: 'That limit: `q` points in `w` seconds',
  },
  'WWW-Authenticate': {
    schema: string,
    description:
      'On every 401, and on a 403 that a scope would prevent: what is missing (RFC 6750), and `resource_metadata`, where a client finds the issuer of tokens (RFC 9728), if there is one',
  },
  'X-Request-ID': { required: true, schema: string, description: 'The id of the request, also in the logs' },
  'Cache-Control': { required: true, schema: string, description: 'Whether caches may keep the response' },
  Accept: { schema: string, description: 'The media types that this method accepts' },
  'Accept-Encoding': {
    schema: string,
    description: '`identity`, if the body was refused because it is compressed',
  },
  'Accept-Post': { schema: string, description: 'The media types that this POST accepts' },
  'Accept-Patch': { schema: string, description: 'The media types that this PATCH accepts' },
}

type HeaderName = keyof typeof headers

/** Component names have no hyphens, because generators make identifiers of them. */
const componentName = (header: string): string => header.replaceAll('-', '')

/** The components that the document refers to. Linters report the others. */
const componentsUsedIn = (document: Document) => {
  const text = JSON.stringify(document)
  const used = (kind: string, all: Readonly<Record<string, object>>) =>
    Object.fromEntries(
      Object.entries(all)
        .map(([name, component]) => [componentName(name), component] as const)
        .filter(([name]) => text.includes(`"#/components/${kind}/${name}"`)),
    )
  const documented = mapValues(parameters, (description, name) => {
    return { name, in: 'header', required: false, schema: string, description }
  })
  return { parameters: used('parameters', documented), headers: used('headers', headers) }
}

/** A response 412 means that the operation checks preconditions, a 304 that it compares tags, a 422 that it takes a key. */
const parametersOf = (responses: Readonly<Record<string, Response>>): Parameter[] => {
  const names: ParameterName[] = ['X-Request-ID']
  if ('412' in responses || '304' in responses) names.unshift('If-None-Match')
  if ('412' in responses) names.unshift('If-Match')
  if ('422' in responses) names.unshift('Idempotency-Key')
  return names.map((name) => ({ $ref: `#/components/parameters/${componentName(name)}` }))
}

/** Only things with a tag have these responses, besides 200 and 201: precondition failed, and unchanged. */
const isTagged = (responses: Readonly<Record<string, Response>>): boolean =>
  ['201', '304', '412'].some((status) => status in responses)

const acceptHeaders: Readonly<Record<string, HeaderName>> = { post: 'Accept-Post', patch: 'Accept-Patch' }

const headersOf = (
  status: string,
  { path, method }: Place,
  kind: Readonly<{ isTagged: boolean; isKeyed: boolean }>,
): HeaderName[] => [
  ...(kind.isKeyed && status.startsWith('2') ? ['Idempotent-Replayed' as const] : []),
  ...(kind.isTagged && ['200', '201', '304'].includes(status) ? ['ETag' as const] : []),
  ...(status === '201' ? ['Location' as const] : []),
  ...(status === '401' || status === '403' ? ['WWW-Authenticate' as const] : []),
  ...(status === '429' || status === '503' ? ['Retry-After' as const] : []),
  ...(status === '415' ? [acceptHeaders[method] ?? 'Accept', 'Accept-Encoding' as const] : []),
  'Cache-Control',
  ...(isOperational(path) ? [] : (['RateLimit', 'RateLimit-Policy'] as const)),
  'X-Request-ID',
]

const isProblem = ({ content = {} }: Response): boolean => problemMediaType in content

const withHeaders = (operation: Operation, place: Place): Operation => {
  const { responses = {}, parameters: own = [] } = operation
  const kind = { isTagged: isTagged(responses), isKeyed: '422' in responses }
  const documented = { ...operation, parameters: [...own, ...parametersOf(responses)] }
  return mapResponses(documented, (response, status) => {
    // The 503 of a health report is a report, not a refusal.
    const names = headersOf(status, place, kind).filter(
      (name) => name !== 'Retry-After' || isProblem(response),
    )
    const references = names.map((name) => [name, { $ref: `#/components/headers/${componentName(name)}` }])
    return { ...response, headers: Object.fromEntries(references) }
  })
}

/**
 * Documents the request and response headers that follow from the statuses of an operation. They are not part of
 * the schemas of routes, because Fastify would validate them: malformed preconditions have rules of their own.
 */
export const documentHeaders = (document: Document): Document => {
  const documented = mapOperations(document, withHeaders)
  return { ...documented, components: { ...documented.components, ...componentsUsedIn(documented) } }
}
