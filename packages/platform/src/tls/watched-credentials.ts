import { systemClock } from '@shop/kernel/clock.ts'
import type { FileContent } from '../config/bounded-file.ts'
import { OperatorError } from '../config/operator-error.ts'
import { ConfigError } from '../config/variables.ts'
import { fileReader } from '../file-reader.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'
import { readOnce, type TlsConfig, variablesOf } from './config.ts'
import { type Credentials, credentialsIn, type Files, maxFileBytes } from './credentials.ts'

const readAgainFrom = (config: TlsConfig): (() => Promise<Files<FileContent>>) => {
  const [certificate, key] = [config.certificate, config.key].map(({ path }) =>
    fileReader(path, maxFileBytes),
  )
  const clientCa = config.clientCa && fileReader(config.clientCa.path, maxFileBytes)
  if (certificate === undefined || key === undefined) throw new Error('there is no reader')
  return async () => {
    const [newCertificate, newKey, newClientCa] = await Promise.all([certificate(), key(), clientCa?.()])
    return { certificate: newCertificate, key: newKey, clientCa: newClientCa }
  }
}

const isSameContent = (a: FileContent | undefined, b: FileContent | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b
  return 'bytes' in a && 'bytes' in b && a.bytes.equals(b.bytes)
}

const isSame = (a: Files<FileContent>, b: Files<FileContent>): boolean =>
  isSameContent(a.certificate, b.certificate) &&
  isSameContent(a.key, b.key) &&
  isSameContent(a.clientCa, b.clientCa)

/** Warns of certificates that clients refuse. */
const warnOfPeriod = (logger: Pick<Logger, 'warn'>, { validFrom, validTo }: Credentials): void => {
  const now = systemClock().getTime()
  if (now > validTo) logger.warn({ valid_to: new Date(validTo) }, 'the TLS certificate has expired')
  if (now < validFrom)
    logger.warn({ valid_from: new Date(validFrom) }, 'the TLS certificate is not valid yet')
}

/**
 * Reads the credentials in the files, and reads them again each second: all of them, because a mount may replace a link instead of
 * the files. A set that breaks a rule changes nothing. The job fails if it does so twice in a row: files that are replaced one after
 * the other do not belong together for a moment. Throws `ConfigError` if the first reading fails.
 */
export const watchCredentials = (
  config: TlsConfig,
  logger: Pick<Logger, 'info' | 'warn'>,
  onChange: (credentials: Credentials) => void,
) => {
  const names = variablesOf(config)
  let contents = readOnce(config)
  const first = credentialsIn(names, contents)
  if ('problems' in first) throw new ConfigError(first.problems)
  let current = first.credentials
  warnOfPeriod(logger, current)
  const readAgain = readAgainFrom(config)
  let wasBroken = false

  const renew = async (): Promise<void> => {
    const next = await readAgain()
    const read = isSame(contents, next) ? { credentials: current } : credentialsIn(names, next)
    if ('problems' in read) {
      if (wasBroken)
        throw new OperatorError(`${read.problems.join('; ')}. The last certificate is still used`)
      wasBroken = true
      return
    }
    wasBroken = false
    if (read.credentials === current) return
    onChange(read.credentials)
    current = read.credentials
    contents = next
    logger.info({ valid_to: new Date(current.validTo) }, 'using the new TLS certificate')
    warnOfPeriod(logger, current)
  }
  const job: Job = { name: 'tls-certificate', pauseMs: 1_000, work: renew }
  return { current: (): Credentials => current, job }
}
