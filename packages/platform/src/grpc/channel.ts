import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js'
import { Type } from 'typebox'
import { addressesIn, hostPort, namePort } from '../config/addresses.ts'
import { remoteHosts } from '../config/local-host.ts'
import { registerListResolver } from './list-resolver.ts'

/**
 * Schema of a variable with the gRPC address of a service. TLS requires a host name, because grpc-js would send an IP address
 * as the TLS server name. It also requires that there is only one: of a list, grpc-js would expect the first name in the
 * certificates of all servers.
 */
export const grpcAddress = (defaultAddress: string) =>
  Type.String({
    default: defaultAddress,
    pattern: `^(https://${namePort}|dns(\\+https)?:///${namePort}|${hostPort}(,${hostPort})*)$`,
    description:
      'host:port, https://name:port, dns:///name:port, dns+https:///name:port, or several host:port separated by commas',
  })

/** Whether the servers of a `grpcAddress` are called with TLS. */
export const usesTls = (address: string): boolean => /^(dns\+)?https:/.test(address)

/** The servers of a `grpcAddress` to which calls go without TLS, except those of this machine. */
export const unencryptedServers = (address: string): string[] =>
  usesTls(address) ? [] : remoteHosts(addressesIn(address.replace(/^dns:\/\/\//, '')).map(({ host }) => host))

/** Credentials of this process for a `grpcAddress`, if it has no certificates of its own. */
export const defaultCredentials = (address: string): ChannelCredentials =>
  usesTls(address) ? credentials.createSsl() : credentials.createInsecure()

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
 * Returns the constructor arguments of a generated client for a `grpcAddress`. For `host:port` and `https://`, the client uses
 * one server. For a list, `dns:///` and `dns+https:///`, it calls all servers or addresses in turn. `reads` are the paths of
 * the methods that change nothing; their calls are retried. By default, `https` trusts the CAs that Node.js trusts.
 */
export const channelTo = (
  address: string,
  reads: readonly string[] = [],
  channelCredentials: ChannelCredentials = defaultCredentials(address),
): [target: string, ChannelCredentials, ChannelOptions] => {
  const [, scheme, hosts = ''] = /^(https:\/\/|dns(?:\+https)?:\/\/\/)?(.*)$/.exec(address) ?? []
  const isList = hosts.includes(',')
  const usesAll = isList || scheme?.startsWith('dns') === true
  if (isList) registerListResolver()
  return [
    // Explicit scheme: otherwise a host called `unix` would be parsed as one.
    `${isList ? 'list' : 'dns'}:///${hosts}`,
    channelCredentials,
    {
      ...commonOptions,
      'grpc.service_config': JSON.stringify(serviceConfig(usesAll ? 'round_robin' : 'pick_first', reads)),
    },
  ]
}
