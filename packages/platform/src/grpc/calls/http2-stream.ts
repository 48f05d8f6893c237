import type { ServerHttp2Stream } from 'node:http2'
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js'

/**
 * Returns the HTTP/2 stream of a call. grpc-js has no public way to end a call whose response the client does not take:
 * `sendStatus` waits until it does. This private field is the only part of the library that is used for it.
 */
export const streamOf = (call: ServerInterceptingCallInterface): ServerHttp2Stream => {
  const { stream } = call as unknown as Readonly<{ stream?: ServerHttp2Stream }>
  if (stream === undefined) throw new Error('this version of grpc-js keeps the stream of a call elsewhere')
  return stream
}
