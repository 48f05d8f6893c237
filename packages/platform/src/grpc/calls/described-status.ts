import { Metadata, type ServerInterceptingCallInterface, status } from '@grpc/grpc-js'
import { requestIdHeader } from '../../request-context.ts'
import { encodeStatus, sendableMessage, statusDetailsKey } from '../error-details.ts'

/** The library has no other use for this status than messages that are too large. */
const codeOf = (code: status): string =>
  code === status.RESOURCE_EXHAUSTED ? 'payload_too_large' : (status[code] ?? 'UNKNOWN')

type EndStatus = Parameters<ServerInterceptingCallInterface['sendStatus']>[0]

type DescribedCall = Readonly<{ method: Readonly<{ service: string }>; requestId: string }>

/**
 * Adds details to an error of the library or of its health service, such as a message that is too large or an expired
 * deadline. The message is shortened: that of the health service repeats up to 64 KiB of the request.
 */
export const describedStatus = (ended: EndStatus, call: DescribedCall): EndStatus => {
  const { code } = ended
  if (code === status.OK) return ended
  const metadata = ended.metadata ?? new Metadata()
  if (metadata.get(statusDetailsKey).length > 0) return ended
  const { requestId } = call
  const message = sendableMessage(ended.details)
  const isTemporary = code === status.UNAVAILABLE
  const details = {
    status: code,
    message,
    code: codeOf(code),
    isTemporary,
    service: call.method.service,
    requestId,
  }
  metadata.set(requestIdHeader, requestId)
  metadata.set(statusDetailsKey, encodeStatus(details))
  return { code, details: message, metadata }
}
