import { systemClock } from '@shop/kernel/clock.ts'
import { type FileContent, readFileOnce } from '../config/bounded-file.ts'
import { OperatorError } from '../config/operator-error.ts'
import { ConfigError } from '../config/variables.ts'
import { fileReader } from '../file-reader.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'
import {
  type ClientCertificates,
  type ClientFilesConfig,
  clientCertificatesIn,
  filesOf,
} from './client-certificates.ts'
import type { NamedFile } from './credentials.ts'

/** The CAs of Mozilla take a quarter of it. */
const maxFileBytes = 1024 * 1024

type Contents = ReadonlyMap<NamedFile, FileContent>

const check = (files: ClientFilesConfig, contents: Contents) =>
  clientCertificatesIn(files, (file) => contents.get(file) ?? { problem: 'must name a file' })

const readOnce = (files: ClientFilesConfig): Contents =>
  new Map(filesOf(files).map((file) => [file, readFileOnce(file.path, maxFileBytes)]))

/** Returns a function that reads all files again. */
const readerOf = (files: ClientFilesConfig): (() => Promise<Contents>) => {
  const readers = filesOf(files).map((file) => ({ file, read: fileReader(file.path, maxFileBytes) }))
  return async () =>
    new Map(await Promise.all(readers.map(async ({ file, read }) => [file, await read()] as const)))
}

/** For `readVariables`: the rules that the files break. It waits for the files. */
export const clientFileProblems = (files: ClientFilesConfig): readonly string[] => {
  const checked = check(files, readOnce(files))
  return 'problems' in checked ? checked.problems : []
}

const isSame = (one: Contents, other: Contents): boolean =>
  [...one].every(([file, content]) => {
    const otherContent = other.get(file)
    if (otherContent === undefined || !('bytes' in content && 'bytes' in otherContent)) return false
    return content.bytes.equals(otherContent.bytes)
  })

/** Warns of a certificate that servers refuse. */
const warnOfPeriod = (logger: Pick<Logger, 'warn'>, { own }: ClientCertificates, variable?: string): void => {
  if (own === undefined) return
  const now = systemClock().getTime()
  if (now > own.validTo)
    logger.warn(
      { variable, valid_to: new Date(own.validTo) },
      'the TLS certificate of this client has expired',
    )
  if (now < own.validFrom)
    logger.warn(
      { variable, valid_from: new Date(own.validFrom) },
      'the TLS certificate of this client is not valid yet',
    )
}

/**
 * Reads the certificates of a client, and reads them again each second, for connections that are opened then: all of them, because
 * a mount may replace a link instead of the files. A set that breaks a rule changes nothing. The job fails if it does so twice in a
 * row: files that are replaced one after the other do not belong together for a moment. Throws `ConfigError` if the first reading
 * fails.
 */
export const openClientFiles = (files: ClientFilesConfig, logger: Pick<Logger, 'info' | 'warn'>) => {
  let contents = readOnce(files)
  const first = check(files, contents)
  if ('problems' in first) throw new ConfigError(first.problems)
  let current = first.value
  const variable = files.own?.certificate.variable
  warnOfPeriod(logger, current, variable)
  const readAgain = readerOf(files)
  let wasBroken = false

  const renew = async (): Promise<void> => {
    const next = await readAgain()
    const isUnchanged = isSame(contents, next)
    const checked = isUnchanged ? { value: current } : check(files, next)
    const isBroken = 'problems' in checked
    if (isBroken && wasBroken)
      throw new OperatorError(`${checked.problems.join('; ')}. The last certificates are still used`)
    wasBroken = isBroken
    if (isBroken || isUnchanged) return
    current = checked.value
    contents = next
    const variables = filesOf(files).map((file) => file.variable)
    const validTo = current.own && new Date(current.own.validTo)
    logger.info({ variables, valid_to: validTo }, 'using the new TLS certificates in the files')
    warnOfPeriod(logger, current, variable)
  }
  const job: Job = { name: 'tls-client-certificates', pauseMs: 1_000, work: renew }
  return { current: (): ClientCertificates => current, job }
}

export type ClientFiles = ReturnType<typeof openClientFiles>
