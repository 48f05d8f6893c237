import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import { networkMatcher } from '../../config/networks.ts'
import { requestIdHeader } from '../../request-context.ts'
import { joinedIdsKeys } from './joined-ids.ts'

const keys = [requestIdHeader, ...joinedIdsKeys, 'traceparent', 'tracestate']

const removedFrom = new WeakMap<Metadata, Metadata>()

/** The ids that were removed from the metadata of a call; undefined if its caller is trusted. */
export const removedIds = (metadata: Metadata): Metadata | undefined => removedFrom.get(metadata)

const removeIds = (metadata: Metadata): void => {
  const removed = new Metadata()
  for (const key of keys) {
    for (const value of metadata.get(key)) removed.add(key, value)
    metadata.remove(key)
  }
  removedFrom.set(metadata, removed)
}

const responder = {
  start: (next: (listener: ReturnType<ServerListenerBuilder['build']>) => void) =>
    next(
      new ServerListenerBuilder()
        .withOnReceiveMetadata((metadata, pass) => {
          removeIds(metadata)
          pass(metadata)
        })
        .build(),
    ),
}

/**
 * Removes the ids of requests and traces from calls of peers outside these networks, a text that `mustBeNetworks` allows.
 * Applies to every service of a server, such as health, before anything reads the metadata.
 */
export const removeUntrustedIds = (networks: string): ServerInterceptor => {
  const isTrusted = networkMatcher(networks)
  return (_method, call) =>
    isTrusted(call.getConnectionInfo().remoteAddress)
      ? (call as ServerInterceptingCall)
      : new ServerInterceptingCall(call, responder)
}
