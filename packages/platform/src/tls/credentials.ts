import { constants, type X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { FileContent } from '../config/bounded-file.ts'
import { certificatesIn, type Parsed, privateKeyIn } from './pem.ts'

/** A file, and the variable that names it. */
export type NamedFile = Readonly<{ variable: string; path: string }>

/** One value for each file with credentials. */
export type Files<Value> = Readonly<{
  /** The certificate of the service, and those of the authorities between it and a root. */
  certificate: Value
  key: Value
  /** The authorities of the certificates that clients must have. Undefined if they need none. */
  clientCa: Value | undefined
}>

export const maxFileBytes = 64 * 1024

/** What a server needs to end TLS. */
export type Credentials = Readonly<{
  options: SecureContextOptions
  /** Whether clients must have a certificate. */
  needsClientCertificate: boolean
  /** The period in which all certificates of the chain are valid, in milliseconds since 1970. */
  validFrom: number
  validTo: number
}>

export type ReadCredentials = Readonly<{ credentials: Credentials } | { problems: readonly string[] }>

const problemIn = (name: string, parsed: Parsed<unknown> | undefined): readonly string[] =>
  parsed !== undefined && 'problem' in parsed ? [`${name} ${parsed.problem}`] : []

const pemOf = (certificates: readonly X509Certificate[]): string => certificates.map(String).join('')

/** The code of OpenSSL's refusal, such as ERR_SSL_EE_KEY_TOO_SMALL. Its message may contain more than operators shall see. */
const refusalOf = (options: SecureContextOptions): string | undefined => {
  try {
    createSecureContext(options)
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'no code'
  }
}

const secureOptions = {
  minVersion: 'TLSv1.2',
  // A client could make the server compute handshakes over one connection.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
} as const

const credentialsOf = (
  chain: readonly X509Certificate[],
  key: string,
  clientCas: readonly X509Certificate[] | undefined,
): Credentials => ({
  options: {
    ...secureOptions,
    cert: pemOf(chain),
    key,
    // Only if clients need certificates: an authority that nobody needs would be in every handshake.
    ...(clientCas && { ca: clientCas.map(String) }),
  },
  needsClientCertificate: clientCas !== undefined,
  validFrom: Math.max(...chain.map(({ validFromDate }) => validFromDate.getTime())),
  validTo: Math.min(...chain.map(({ validToDate }) => validToDate.getTime())),
})

/** Checks what is in the files. The problems begin with the names of the variables, and contain nothing that is secret. */
export const credentialsIn = (names: Files<string>, contents: Files<FileContent>): ReadCredentials => {
  const chain = certificatesIn(contents.certificate)
  const key = privateKeyIn(contents.key)
  const clientCas = contents.clientCa && certificatesIn(contents.clientCa)
  if ('problem' in chain || 'problem' in key || (clientCas && 'problem' in clientCas))
    return {
      problems: [
        ...problemIn(names.certificate, chain),
        ...problemIn(names.key, key),
        ...problemIn(names.clientCa ?? '', clientCas),
      ],
    }
  if (chain.value[0]?.checkPrivateKey(key.value) !== true)
    return { problems: [`${names.key} must name the key of the first certificate in ${names.certificate}`] }
  const pem = key.value.export({ type: 'pkcs8', format: 'pem' }).toString()
  const credentials = credentialsOf(chain.value, pem, clientCas?.value)
  const refusal = refusalOf(credentials.options)
  return refusal === undefined
    ? { credentials }
    : { problems: [`${names.certificate} must name a certificate and key that TLS allows: ${refusal}`] }
}
