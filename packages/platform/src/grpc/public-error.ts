import { Metadata, type StatusObject } from '@grpc/grpc-js'
import { AppError, kindOf } from '@shop/kernel/errors.ts'
import { requestIdHeader } from '../request-context.ts'
import { internalMessage } from '../transports.ts'
import { errorCodeKey } from './client.ts'
import { encodeStatus, sendableMessage, statusDetailsKey } from './error-details.ts'
import { grpcStatus } from './status.ts'

/** The kinds of errors after which the same call may succeed later. */
const temporaryKinds: ReadonlySet<string> = new Set(['unavailable', 'rate_limited'])

/**
 * Returns the part of an error that the caller may see, like `problemOf` for HTTP. The code is sent twice: clients of
 * earlier versions read it from `error-code`.
 */
export const publicErrorOf = (
  error: unknown,
  { service, requestId }: Readonly<{ service: string; requestId: string }>,
): StatusObject => {
  const kind = kindOf(error)
  const isPublic = error instanceof AppError && kind !== 'internal'
  const code = isPublic ? error.code : 'internal'
  const message = isPublic ? sendableMessage(error.message) : internalMessage
  const details = isPublic ? error.details : undefined
  const retryAfter = isPublic ? error.retryAfterSeconds : undefined
  const status = grpcStatus(kind)
  const isTemporary = temporaryKinds.has(kind)
  const metadata = new Metadata()
  metadata.set(errorCodeKey, code)
  metadata.set(requestIdHeader, requestId)
  metadata.set(
    statusDetailsKey,
    encodeStatus({ status, message, code, details, isTemporary, retryAfter, service, requestId }),
  )
  return { code: status, details: message, metadata }
}
