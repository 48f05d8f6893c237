import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js'
import { Type } from 'typebox'
import { registerListResolver } from './list-resolver.ts'

const upTo65535 = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'
const hostPort = `([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):${upTo65535}`
/** Has a letter, so it is no IP address: to one grpc-js cannot speak TLS, for it would name it to the server. */
const namePort = `[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*:${upTo65535}`

/** Where a service speaks gRPC, as configuration names it. */
export const grpcAddress = (defaultAddress: string) =>
  Type.String({
    default: defaultAddress,
    pattern: `^(https://${namePort}|dns:///${namePort}|${hostPort}(,${hostPort})*)$`,
    description: 'host:port, https://name:port, dns:///name:port, or several host:port separated by commas',
  })

const commonOptions: ChannelOptions = {
  // After an outage a channel must find the way back within a second; grpc-js would wait up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 300,
  // Likewise when the name stands for another address by then; grpc-js would not look for half a minute.
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // A proxy for the way to the world outside is none for a neighbour.
  'grpc.enable_http_proxy': 0,
  // The service config is the one below, not one that lies in the DNS.
  'grpc.service_config_disable_resolution': 1,
}

/**
 * A read that the server could not answer is tried up to three times, all within the deadline of the call. The throttle
 * ends that after five failures in a row or so, for an outage would only be multiplied by it.
 */
const serviceConfig = (policy: 'pick_first' | 'round_robin', reads: readonly string[]) => ({
  loadBalancingConfig: [{ [policy]: {} }],
  methodConfig: [
    {
      name: reads.map((path) => {
        const [, service, method] = path.split('/')
        return { service, method }
      }),
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: '0.025s',
        maxBackoff: '0.1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
  retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
})

/**
 * What a generated client is made of, to call the service at a `grpcAddress`: one server, by TLS with `https://`; or the
 * servers of a list, or all addresses of a `dns:///` name, in turn. `reads` are the paths of methods that change nothing.
 */
export const channelTo = (
  address: string,
  reads: readonly string[] = [],
): [target: string, ChannelCredentials, ChannelOptions] => {
  const [, scheme, hosts = ''] = /^(https:\/\/|dns:\/\/\/)?(.*)$/.exec(address) ?? []
  const isList = hosts.includes(',')
  if (isList) registerListResolver()
  return [
    // Always with a scheme: else a host of the name `unix` would be one.
    `${isList ? 'list' : 'dns'}:///${hosts}`,
    scheme === 'https://' ? credentials.createSsl() : credentials.createInsecure(),
    {
      ...commonOptions,
      'grpc.service_config': JSON.stringify(
        serviceConfig(isList || scheme === 'dns:///' ? 'round_robin' : 'pick_first', reads),
      ),
    },
  ]
}
