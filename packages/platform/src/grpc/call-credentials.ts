import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'

/**
 * Sends the token with every call of a client, health checks included. `token` is asked for each call, as it may change. A
 * server that repeats the token in the text of its error does not bring it into our logs.
 */
export const authenticateCalls =
  (token: () => string): Interceptor =>
  (options, nextCall) => {
    const sent = token()
    return new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        metadata.set('authorization', `Bearer ${sent}`)
        next(metadata, {
          onReceiveStatus: (received, pass) => {
            pass({ ...received, details: received.details.replaceAll(sent, '[Redacted]') })
          },
        })
      },
    })
  }
