import { remoteHosts } from '@shop/platform/config/local-host.ts'
import { Client } from 'pg'
import { clientConfigOf, type PostgresAddress, type PostgresTls } from '../address.ts'

/** The servers to which connections are not encrypted, except those of this machine. */
export const unencryptedHosts = (address: PostgresAddress, tls: PostgresTls): string[] => {
  try {
    const { host, ssl } = new Client(clientConfigOf(address, tls))
    return ssl ? [] : remoteHosts(address.hosts?.map((entry) => entry.host) ?? [host])
  } catch {
    // A certificate in the URL cannot be read. Connections would be encrypted, and fail.
    return []
  }
}
