import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'
import type { Host } from './hosts/host-list.ts'

/** A database on a server, and the credentials to access it. */
export type PostgresAddress = (
  | Readonly<{ url: string }>
  | Readonly<{ host: string; port: number; user: string; password: string; database: string }>
) &
  Readonly<{
    /** All servers, the first one included, if there are several. The one that accepts writes is used. */
    hosts?: readonly Host[]
  }>

/**
 * `sslmode` as libpq defines it. `require` encrypts without verifying the server; with a root certificate it
 * verifies the server's certificate, but not its host name.
 */
export type PostgresTls = Readonly<{
  mode: 'disable' | 'require' | 'verify-full'
  /** The path of a PEM file. */
  rootCertificate: string | undefined
}>

const sslOf = ({ mode, rootCertificate }: PostgresTls): ClientConfig['ssl'] => {
  if (mode === 'disable') return false
  const ca = rootCertificate === undefined ? {} : { ca: readFileSync(rootCertificate, 'utf8') }
  if (mode === 'verify-full') return { ...ca, rejectUnauthorized: true }
  return { ...ca, rejectUnauthorized: rootCertificate !== undefined, checkServerIdentity: () => undefined }
}

/**
 * Converts the address to `pg` client configuration. Each TLS parameter in a URL takes precedence over that in `tls`. The
 * startup options are added to those in the URL or in PGOPTIONS, and take precedence over them.
 */
export const clientConfigOf = (
  address: PostgresAddress,
  tls: PostgresTls,
  startupOptions = '',
): ClientConfig & Pick<PostgresAddress, 'hosts'> => {
  const addTo = (options = process.env['PGOPTIONS'] ?? '') => `${options} ${startupOptions}`.trim()
  if (!('url' in address)) return { ...address, ssl: sslOf(tls), options: addTo() }
  const connection = new URL(address.url)
  connection.searchParams.set('options', addTo(connection.searchParams.get('options') ?? undefined))
  // Without this, pg treats `sslmode=require` in a URL like `verify-full`.
  connection.searchParams.set('uselibpqcompat', 'true')
  // With `sslmode` in the URL, pg ignores `ssl`, and `require` would no longer verify the certificate.
  if (
    tls.rootCertificate !== undefined &&
    connection.searchParams.has('sslmode') &&
    !connection.searchParams.has('sslrootcert')
  )
    connection.searchParams.set('sslrootcert', tls.rootCertificate)
  const { hosts } = address
  return { connectionString: connection.href, ssl: sslOf(tls), ...(hosts !== undefined && { hosts }) }
}
