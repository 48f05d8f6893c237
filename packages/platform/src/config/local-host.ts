import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether the host is this machine itself, whatever DNS says: a loopback address, with or without brackets, or a name
 * that is always one (RFC 6761 §6.3).
 */
export const isLocalHost = (host: string): boolean => {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  const version = isIP(address)
  if (version !== 0) return loopback.check(address, version === 6 ? 'ipv6' : 'ipv4')
  return /^(.+\.)?localhost\.?$/i.test(host)
}

/** The hosts to which data leaves this machine: all but local ones and folders of Unix sockets. */
export const remoteHosts = (hosts: readonly string[]): string[] =>
  hosts.filter((host) => !host.startsWith('/') && !isLocalHost(host))
