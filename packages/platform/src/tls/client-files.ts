import { createSecureContext } from 'node:tls'
import { fileReader } from '../auth/file-reader.ts'
import { type FileContent, readFileOnce } from '../config/bounded-file.ts'
import { OperatorError } from '../config/operator-error.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'
import { certificatesIn, maxPemBytes, type Pair, readPair } from './pem.ts'

/** A file, and the variable that names it. */
export type VariableFile = Readonly<{ variable: string; path: string }>

/** The PEM files of a TLS client. */
export type ClientFilesConfig = Readonly<{
  /** The CAs that the client trusts; undefined for those that Node.js trusts. */
  ca: VariableFile | undefined
  /** The client's own certificate; undefined if it has none. */
  own: Readonly<{ certificate: VariableFile; key: VariableFile }> | undefined
}>

/** What is in the files. */
export type ClientCertificates = Readonly<{ ca: Buffer | undefined; own: Pair | undefined }>

type Checked<Value> = Readonly<{ value: Value } | { problems: readonly string[] }>
type Read = (file: VariableFile) => FileContent

const brokenBy = (file: VariableFile, problem: string) => ({ problems: [`${file.variable} ${problem}`] })

const trustProblem = (ca: Buffer): string | undefined => {
  try {
    createSecureContext({ ca })
    return undefined
  } catch {
    return 'must name a file with certificates that TLS can use'
  }
}

const caIn = (file: VariableFile, read: Read): Checked<Buffer> => {
  const content = read(file)
  if ('problem' in content) return brokenBy(file, content.problem)
  const certificates = certificatesIn(content.bytes)
  const problem = 'problem' in certificates ? certificates.problem : trustProblem(content.bytes)
  return problem === undefined ? { value: content.bytes } : brokenBy(file, problem)
}

const ownIn = (own: NonNullable<ClientFilesConfig['own']>, read: Read): Checked<Pair> => {
  const [certificate, key] = [read(own.certificate), read(own.key)]
  if ('bytes' in certificate && 'bytes' in key) {
    const pair = readPair(certificate.bytes, key.bytes)
    return 'problem' in pair ? brokenBy(own[pair.file], pair.problem) : { value: pair }
  }
  const problems = [
    'problem' in certificate && `${own.certificate.variable} ${certificate.problem}`,
    'problem' in key && `${own.key.variable} ${key.problem}`,
  ]
  return { problems: problems.filter((problem) => problem !== false) }
}

const notSet = { value: undefined }

const check = ({ ca, own }: ClientFilesConfig, read: Read): Checked<ClientCertificates> => {
  const cas = ca === undefined ? notSet : caIn(ca, read)
  const pair = own === undefined ? notSet : ownIn(own, read)
  if ('value' in cas && 'value' in pair) return { value: { ca: cas.value, own: pair.value } }
  return { problems: [cas, pair].flatMap((part) => ('problems' in part ? part.problems : [])) }
}

const checkOnce = (files: ClientFilesConfig): Checked<ClientCertificates> =>
  check(files, ({ path }) => readFileOnce(path, maxPemBytes))

/** For `readVariables`: the rules that the files break. It waits for the files. */
export const clientFileProblems = (files: ClientFilesConfig): readonly string[] => {
  const checked = checkOnce(files)
  return 'problems' in checked ? checked.problems : []
}

const filesOf = ({ ca, own }: ClientFilesConfig): readonly VariableFile[] =>
  [ca, own?.certificate, own?.key].filter((file) => file !== undefined)

/** Returns a function that reads and checks all files again. */
const checker = (files: ClientFilesConfig) => {
  const readers = filesOf(files).map((file) => ({ file, read: fileReader(file.path, maxPemBytes) }))
  return async (): Promise<Checked<ClientCertificates>> => {
    const contents = await Promise.all(readers.map(async ({ file, read }) => [file, await read()] as const))
    const contentOf = new Map(contents)
    return check(files, (file) => contentOf.get(file) ?? { problem: 'must name a file that can be read' })
  }
}

const isSame = (one: Buffer | undefined, other: Buffer | undefined): boolean =>
  one === undefined || other === undefined ? one === other : one.equals(other)

const areSame = (one: ClientCertificates, other: ClientCertificates): boolean =>
  isSame(one.ca, other.ca) &&
  isSame(one.own?.certificate, other.own?.certificate) &&
  isSame(one.own?.key, other.own?.key)

/**
 * Reads the certificates of a client, and reads them again each second, for connections that are opened then. Files that cannot
 * be used, such as a new certificate before its key is written, change nothing: the job fails, which is logged once, and the
 * last certificates are still used. Throws `OperatorError` if there are none at first.
 */
export const openClientFiles = (files: ClientFilesConfig, logger: Pick<Logger, 'info'>) => {
  const first = checkOnce(files)
  if ('problems' in first) throw new OperatorError(first.problems.join('; '))
  let current = first.value
  const checkAgain = checker(files)
  const readAgain = async (): Promise<void> => {
    const checked = await checkAgain()
    if ('problems' in checked)
      throw new OperatorError(`${checked.problems.join('; ')}. The last certificates are still used`)
    if (areSame(checked.value, current)) return
    current = checked.value
    const variables = filesOf(files).map(({ variable }) => variable)
    logger.info({ variables, expires: current.own?.expires }, 'using the new certificates in the files')
  }
  const job: Job = { name: 'client-certificates', pauseMs: 1_000, work: readAgain }
  return { files, current: (): ClientCertificates => current, job }
}

export type ClientFiles = ReturnType<typeof openClientFiles>
