import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** OpenSSL's command line takes 10 ms for each of these. */
const deadlineMs = 20_000

const openssl = (folder: string, ...parameters: readonly string[]) =>
  run('openssl', [...parameters], { cwd: folder, timeout: deadlineMs })

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const

/** The paths of a certificate and of its key. */
export type IssuedCertificate = Readonly<{ certificate: string; key: string }>

export type IssueOptions = Readonly<{
  /** A certificate for clients, instead of one for servers. */
  clientAuth?: boolean
  /** How long it is valid, from now. 1 by default. */
  days?: number
  /** Whether it expired yesterday. */
  expired?: boolean
  /** What a server's certificate is valid for. All names and addresses of `localhost` by default. */
  names?: string
}>

/** OpenSSL would count them in a file, which certificates issued at the same time would both write. */
const serial = (): string => `0x${randomBytes(8).toString('hex')}`

const localNames = 'DNS:localhost,IP:127.0.0.1,IP:::1'

const extensionsOf = ({
  clientAuth = false,
  names = localNames,
}: Pick<IssueOptions, 'clientAuth' | 'names'>): string =>
  [
    'basicConstraints=critical,CA:false',
    'keyUsage=critical,digitalSignature',
    `extendedKeyUsage=${clientAuth ? 'clientAuth' : 'serverAuth'}`,
    ...(clientAuth ? [] : [`subjectAltName=${names}`]),
  ].join('\n')

/**
 * Makes a certificate authority in a folder of its own, which is created. `issue` writes a certificate and its key there, which
 * begin with the name; it is the common name, too. Keys are of P-256.
 */
export const makeAuthority = async (folder: string, name = 'Test CA') => {
  mkdirSync(folder, { recursive: true })
  const certificate = join(folder, 'ca.crt')
  const caKey = join(folder, 'ca.key')
  await openssl(
    folder,
    ...['req', '-x509', ...newKey, '-days', '30', '-subj', `/CN=${name}`],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', caKey, '-out', certificate],
  )
  return {
    /** The path of its own certificate. */
    certificate,
    issue: async (commonName: string, options: IssueOptions = {}): Promise<IssuedCertificate> => {
      const file = (ending: string): string => join(folder, `${commonName}.${ending}`)
      writeFileSync(file('ext'), extensionsOf(options))
      const days = String(options.expired === true ? -1 : (options.days ?? 1))
      await openssl(
        folder,
        ...['req', '-new', ...newKey, '-subj', `/CN=${commonName}`],
        ...['-keyout', file('key'), '-out', file('csr')],
      )
      await openssl(
        folder,
        ...['x509', '-req', '-in', file('csr'), '-CA', certificate, '-CAkey', caKey, '-set_serial', serial()],
        ...['-days', days, '-extfile', file('ext'), '-out', file('crt')],
      )
      return { certificate: file('crt'), key: file('key') }
    },
  }
}

export type CertificateAuthority = Awaited<ReturnType<typeof makeAuthority>>
