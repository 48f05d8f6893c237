import { Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js'
import { requestIdFrom, requestIdHeader } from '../request-context.ts'
import { encodeStatus, statusDetailsKey } from './error-details.ts'

/** The library has no other use for this status than messages that are too large. */
const codeOf = (code: status): string =>
  code === status.RESOURCE_EXHAUSTED ? 'payload_too_large' : (status[code] ?? 'UNKNOWN')

/**
 * Adds details to the errors of the library and of its health service, such as a message that is too large or an
 * expired deadline. Calls of unknown methods do not get here: the library refuses them before.
 */
export const describeLibraryErrors: ServerInterceptor = ({ path }, call) => {
  const [, service = ''] = path.split('/')
  let received: Metadata | undefined
  const start = call.start.bind(call)
  const sendStatus = call.sendStatus.bind(call)
  // An object around the call would miss the errors that the call itself causes.
  Object.assign(call, {
    start: (listener: Parameters<typeof start>[0]) => {
      const onReceiveMetadata = listener.onReceiveMetadata.bind(listener)
      listener.onReceiveMetadata = (metadata) => {
        received = metadata
        onReceiveMetadata(metadata)
      }
      start(listener)
    },
    sendStatus: (ended: Parameters<typeof sendStatus>[0]) => {
      const { code, details: message } = ended
      const metadata = ended.metadata ?? new Metadata()
      if (code === status.OK || metadata.get(statusDetailsKey).length > 0) return sendStatus(ended)
      const requestId = requestIdFrom(received?.get(requestIdHeader)[0])
      const isTemporary = code === status.UNAVAILABLE
      const details = { status: code, message, code: codeOf(code), isTemporary, service, requestId }
      metadata.set(requestIdHeader, requestId)
      metadata.set(statusDetailsKey, encodeStatus(details))
      sendStatus({ ...ended, metadata })
    },
  })
  return call as ServerInterceptingCall
}
