import {
  BadRequest,
  ErrorInfo,
  BadRequest_FieldViolation as FieldViolation,
  RequestInfo,
  RetryInfo,
  Status,
} from '@shop/contracts/google/rpc/errors.ts'
import type { ErrorDetails, Violation } from '@shop/kernel/errors.ts'
import { retryAfterSeconds } from '../transports.ts'

/** The key of the trailing metadata that carries a `google.rpc.Status`. */
export const statusDetailsKey = 'grpc-status-details-bin'

/**
 * The maximum sizes of the parts that can be long. Clients in Java accept 8 KiB of metadata by default. The
 * parts add up to less, also in base64.
 */
const maxBytes = { message: 1_024, facts: 1_024, violations: 2_048 } as const

/** What the caller may know about a failed call. */
export type Failure = Readonly<{
  status: number
  message: string
  code: string
  details?: ErrorDetails | undefined
  /** Whether the same call may succeed later. */
  isTemporary: boolean
  /** After how many seconds, if that is known. */
  retryAfter?: number | undefined
  /** The name of the called gRPC service. */
  service: string
  requestId: string
}>

type Encoder<Message> = Readonly<{ encode: (message: Message) => { finish: () => Uint8Array } }>

const pack = <Message>(name: string, { encode }: Encoder<Message>, message: Message) => ({
  typeUrl: `type.googleapis.com/google.rpc.${name}`,
  value: Buffer.from(encode(message).finish()),
})

/** Returns the longest start of the list whose items have at most this size together. */
const startWithin = <Item>(items: readonly Item[], max: number, sizeOf: (item: Item) => number): Item[] => {
  let size = 0
  const end = items.findIndex((item) => {
    size += sizeOf(item)
    return size > max
  })
  return items.slice(0, end === -1 ? items.length : end)
}

const shortened = ' … (shortened)'

const encodedLength = (text: string): number => encodeURI(text).length

/** Shortens a message for the metadata, where it is percent-encoded. A lone surrogate could not be sent. */
export const sendableMessage = (message: string): string => {
  const text = message.toWellFormed()
  // Three characters per byte, and at most three bytes per UTF-16 code unit.
  if (text.length * 9 <= maxBytes.message || encodedLength(text) <= maxBytes.message) return text
  const rest = maxBytes.message - encodedLength(shortened)
  return startWithin(Array.from(text), rest, encodedLength).join('') + shortened
}

/** Converts a JSON Pointer, such as `/ids/3`, to the path of a protobuf field, such as `ids[3]`. */
const fieldPath = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, index) => {
      if (/^\d+$/.test(part)) return `[${part}]`
      if (!/^[A-Za-z_]\w*$/.test(part)) return `[${JSON.stringify(part)}]`
      return index === 0 ? part : `.${part}`
    })
    .join('')

const sizeOfViolation = (violation: FieldViolation): number =>
  FieldViolation.encode(violation).finish().length + 4

const violationsOf = (errors: readonly Violation[]): FieldViolation[] =>
  startWithin(
    errors.map(({ path, message }) => ({ field: fieldPath(path), description: message })),
    maxBytes.violations,
    sizeOfViolation,
  )

const sizeOfEntry = ([name, text]: readonly [string, string]): number => Buffer.byteLength(name + text) + 10

/** The facts as strings; what is not a string is JSON. */
const metadataOf = (facts: Readonly<Record<string, unknown>>): Record<string, string> => {
  const texts = Object.entries(facts)
    .filter(([, fact]) => fact !== undefined)
    .map(([name, fact]): [string, string] => [name, typeof fact === 'string' ? fact : JSON.stringify(fact)])
  return Object.fromEntries(startWithin(texts, maxBytes.facts, sizeOfEntry))
}

/**
 * Encodes the details of a failed call as a `google.rpc.Status`, so that clients learn what HTTP tells them: the code
 * and the facts, the violations, when to try again, and the request id. If there are too many violations, the metadata
 * `omitted_errors` is the number of those left out.
 */
export const encodeStatus = (failure: Failure): Buffer => {
  const { status, message, code, service, requestId, isTemporary } = failure
  const { retryAfter = retryAfterSeconds } = failure
  const { errors = [], ...facts } = failure.details ?? {}
  const fieldViolations = violationsOf(errors)
  const omitted = errors.length - fieldViolations.length
  const metadata = metadataOf(omitted === 0 ? facts : { omitted_errors: omitted, ...facts })
  const details = [
    pack('ErrorInfo', ErrorInfo, { reason: code.toUpperCase(), domain: service, metadata }),
    pack('RequestInfo', RequestInfo, { requestId }),
  ]
  if (errors.length > 0) details.push(pack('BadRequest', BadRequest, { fieldViolations }))
  if (isTemporary)
    details.push(pack('RetryInfo', RetryInfo, { retryDelay: { seconds: retryAfter, nanos: 0 } }))
  return Buffer.from(Status.encode({ code: status, message, details }).finish())
}
