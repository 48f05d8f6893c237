import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js'
import { Type } from 'typebox'
import { addressesIn, hostPort, namePort } from '../config/addresses.ts'
import { remoteHosts } from '../config/local-host.ts'
import { registerListResolver } from './list-resolver.ts'

/**
 * Schema of a variable with the gRPC address of a service. TLS requires a host name, because grpc-js would
 * send an IP address as the TLS server name.
 */
export const grpcAddress = (defaultAddress: string) =>
  Type.String({
    default: defaultAddress,
    pattern: `^(https://${namePort}|dns:///${namePort}|${hostPort}(,${hostPort})*)$`,
    description: 'host:port, https://name:port, dns:///name:port, or several host:port separated by commas',
  })

/** The servers of a `grpcAddress` to which calls go without TLS, except those of this machine. */
export const unencryptedServers = (address: string): string[] =>
  address.startsWith('https://')
    ? []
    : remoteHosts(addressesIn(address.replace(/^dns:\/\/\//, '')).map(({ host }) => host))

const commonOptions: ChannelOptions = {
  // Reconnects within a second after an outage; grpc-js would wait up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 300,
  // Looks the name up again within a second too, in case its address changed; grpc-js would wait 30 s.
  'grpc.dns_min_time_between_resolutions_ms': 1_000,
  // While calls run. A connection whose packets are lost is given up after three seconds; meanwhile, `round_robin`
  // still uses it.
  'grpc.keepalive_time_ms': 1_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // A new client opens connections of its own: see `renewedClient`.
  'grpc.use_local_subchannel_pool': 1,
  // Ignores HTTP_PROXY: it is for external traffic.
  'grpc.enable_http_proxy': 0,
  // Uses the service config below, not one from DNS.
  'grpc.service_config_disable_resolution': 1,
}

/**
 * Returns a gRPC service config that tries a read up to three times while the server is unavailable, within
 * the deadline of the call. The throttle stops retries after about five failures in a row, because they would
 * multiply the load during an outage.
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
 * Returns the constructor arguments of a generated client for a `grpcAddress`. For `host:port` and `https://`
 * (with TLS), the client uses one server. For a list or a `dns:///` name, it calls all servers or addresses
 * in turn. `reads` are the paths of the methods that change nothing; their calls are retried.
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
