import { remoteHosts } from '../config/local-host.ts'
import type { Logger } from '../logging/logger.ts'
import type { ServiceVariables } from './service-variables.ts'

/** Other machines that a service talks to without encryption. */
export type Unencrypted = Readonly<{ target: string; hosts: readonly string[] }>

type Variables = Pick<ServiceVariables, 'ENVIRONMENT' | 'OTEL_EXPORTER_OTLP_ENDPOINT'>

const collectorOf = ({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint = '' }: Variables): Unencrypted => {
  const url = URL.parse(endpoint)
  return { target: 'OTLP collector', hosts: url?.protocol === 'http:' ? remoteHosts([url.hostname]) : [] }
}

/** Those of the targets, and of the collector of traces, that have such hosts. Outside production there are none. */
export const unencryptedTargets = (
  variables: Variables,
  targets: readonly Unencrypted[],
): readonly Unencrypted[] =>
  variables.ENVIRONMENT === 'production'
    ? [...targets, collectorOf(variables)].filter(({ hosts }) => hosts.length > 0)
    : []

/** Logs one line for each target. */
export const warnOfUnencrypted = (logger: Pick<Logger, 'warn'>, targets: readonly Unencrypted[]): void => {
  for (const { target, hosts } of targets)
    logger.warn({ target, hosts }, 'connections to other machines are not encrypted')
}
