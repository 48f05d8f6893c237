import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'

/** Where a server is, and who we are there. */
export type PostgresAddress =
  | Readonly<{ url: string }>
  | Readonly<{ host: string; port: number; user: string; password: string; database: string }>

/** `sslmode` as libpq means it: `require` encrypts, and trusts whoever answers unless a root certificate is given. */
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

/** The same for the driver. What a URL says of TLS goes before `tls`. */
export const clientConfigOf = (address: PostgresAddress, tls: PostgresTls): ClientConfig => {
  if (!('url' in address)) return { ...address, ssl: sslOf(tls) }
  const connection = new URL(address.url)
  connection.searchParams.set('uselibpqcompat', 'true')
  return { connectionString: connection.href, ssl: sslOf(tls) }
}
