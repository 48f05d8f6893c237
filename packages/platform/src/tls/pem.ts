import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** Certificates, in the order of the file, or the rule that it breaks, to be put after the name of its variable. */
export type Certificates = Readonly<{ certificates: readonly X509Certificate[] } | { problem: string }>

/** A certificate with its chain and its private key, as they are in their files. */
export type Pair = Readonly<{
  certificate: Buffer
  key: Buffer
  /** When the certificate expires. */
  expires: Date
}>

/** The rule that one of the two files breaks, to be put after the name of its variable. */
export type PairProblem = Readonly<{ file: 'certificate' | 'key'; problem: string }>

/** A limit for files of certificates or keys. The CAs of Mozilla take a quarter of it. */
export const maxPemBytes = 1024 * 1024

const begin = '-----BEGIN CERTIFICATE-----'
const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const certificateIn = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

/**
 * Reads all certificates in a PEM file; text between them is ignored. Unlike OpenSSL, which takes what it understands, it refuses
 * a file of which one certificate cannot be read, such as one that is only half written.
 */
export const certificatesIn = (bytes: Buffer): Certificates => {
  const text = bytes.toString('latin1')
  const begun = text.split(begin).length - 1
  if (begun === 0) return { problem: 'must name a PEM file with at least one certificate' }
  const certificates = (text.match(block) ?? []).map(certificateIn).filter((found) => found !== undefined)
  return certificates.length === begun
    ? { certificates }
    : { problem: 'must name a PEM file whose certificates can all be read' }
}

/** Of a key in PKCS #8, and in the older format of OpenSSL. */
const encrypted = /^-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m

const keyIn = (bytes: Buffer): KeyObject | string => {
  if (encrypted.test(bytes.toString('latin1'))) return 'must name a file whose private key is not encrypted'
  try {
    return createPrivateKey(bytes)
  } catch {
    return 'must name a PEM file with a private key'
  }
}

/** What OpenSSL refuses although the two belong together, such as an RSA key of 512 bits. */
const contextProblem = (certificate: Buffer, key: Buffer): string | undefined => {
  try {
    createSecureContext({ cert: certificate, key })
    return undefined
  } catch (error) {
    const reason = error instanceof Error && 'reason' in error ? `: ${String(error.reason)}` : ''
    return `must name a certificate that TLS can use${reason}`
  }
}

/**
 * Checks a certificate and its private key, both PEM. The chain may follow the certificate. The dates of the certificate are not
 * checked: whoever verifies it does. A problem contains nothing of the key.
 */
export const readPair = (certificate: Buffer, key: Buffer): Pair | PairProblem => {
  const chain = certificatesIn(certificate)
  if ('problem' in chain) return { file: 'certificate', problem: chain.problem }
  const privateKey = keyIn(key)
  if (typeof privateKey === 'string') return { file: 'key', problem: privateKey }
  const [own, ...rest] = chain.certificates
  if (own?.checkPrivateKey(privateKey) !== true)
    return rest.some((other) => other.checkPrivateKey(privateKey))
      ? { file: 'certificate', problem: 'must name a file that begins with the certificate of the key' }
      : { file: 'key', problem: 'must name the private key of the certificate' }
  const problem = contextProblem(certificate, key)
  return problem === undefined
    ? { certificate, key, expires: own.validToDate }
    : { file: 'certificate', problem }
}
