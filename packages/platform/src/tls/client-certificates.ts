import { createSecureContext, type SecureContext } from 'node:tls'
import type { FileContent } from '../config/bounded-file.ts'
import { type Credentials, credentialsIn, type NamedFile } from './credentials.ts'
import { certificatesIn } from './pem.ts'

/** The PEM files of a TLS client. */
export type ClientFilesConfig = Readonly<{
  /** The CAs that the client trusts; undefined for those that Node.js trusts. */
  ca: NamedFile | undefined
  /** The client's own certificate; undefined if it has none. */
  own: Readonly<{ certificate: NamedFile; key: NamedFile }> | undefined
}>

/** What a client needs for connections. */
export type ClientCertificates = Readonly<{
  context: SecureContext
  /** The period in which the client's own certificate is valid. */
  own: Pick<Credentials, 'validFrom' | 'validTo'> | undefined
}>

/** The problems begin with the names of the variables, and contain nothing that is secret. */
type Checked<Value> = Readonly<{ value: Value } | { problems: readonly string[] }>

type ContentOf = (file: NamedFile) => FileContent

export const filesOf = ({ ca, own }: ClientFilesConfig): readonly NamedFile[] =>
  [ca, own?.certificate, own?.key].filter((file) => file !== undefined)

const notSet = { value: undefined }

const casIn = (file: NamedFile | undefined, contentOf: ContentOf): Checked<string[] | undefined> => {
  if (file === undefined) return notSet
  const cas = certificatesIn(contentOf(file))
  return 'problem' in cas
    ? { problems: [`${file.variable} ${cas.problem}`] }
    : { value: cas.value.map(String) }
}

const ownIn = (own: ClientFilesConfig['own'], contentOf: ContentOf): Checked<Credentials | undefined> => {
  if (own === undefined) return notSet
  const read = credentialsIn(
    { certificate: own.certificate.variable, key: own.key.variable, clientCa: undefined },
    { certificate: contentOf(own.certificate), key: contentOf(own.key), clientCa: undefined },
  )
  return 'problems' in read ? read : { value: read.credentials }
}

/** Checks what is in the files of a client. */
export const clientCertificatesIn = (
  files: ClientFilesConfig,
  contentOf: ContentOf,
): Checked<ClientCertificates> => {
  const cas = casIn(files.ca, contentOf)
  const own = ownIn(files.own, contentOf)
  if (!('value' in cas && 'value' in own))
    return { problems: [cas, own].flatMap((part) => ('problems' in part ? part.problems : [])) }
  return {
    value: {
      context: createSecureContext({ ...own.value?.options, ca: cas.value, minVersion: 'TLSv1.2' }),
      own: own.value,
    },
  }
}
