import { remoteHosts } from '@shop/platform/config/local-host.ts'
import type { RedisConfig } from '../connection.ts'

/** The servers to which connections are not encrypted, except those of this machine. */
export const unencryptedHosts = ({ target, tls }: Pick<RedisConfig, 'target' | 'tls'>): string[] => {
  if (tls) return []
  if ('nodes' in target) return remoteHosts(target.nodes.map(({ host }) => host))
  if ('host' in target) return remoteHosts([target.host])
  const { protocol, hostname } = new URL(target.url)
  return protocol === 'rediss:' ? [] : remoteHosts([hostname])
}
