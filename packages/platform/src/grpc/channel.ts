import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js'
import { Type } from 'typebox'
import { hostPort, namePort } from '../config/addresses.ts'
import { registerListResolver } from './list-resolver.ts'

/** Where a service speaks gRPC, as configuration names it. By TLS only by name: grpc-js would name an IP address to the server. */
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
  // HTTP_PROXY is for external traffic.
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
    // Explicit scheme: otherwise a host called `unix` would be parsed as one.
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
