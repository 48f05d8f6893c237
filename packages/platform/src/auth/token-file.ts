import { OperatorError } from '../config/operator-error.ts'
import { maxSecretBytes, readSecretFile, type SecretText, secretTextIn } from '../config/secret-files.ts'
import { fileReader } from '../file-reader.ts'
import type { Job } from '../job.ts'
import type { Logger } from '../logging/logger.ts'

/** A server accepts metadata of 16 KiB. */
const maxLength = 8_192

/** What RFC 6750 allows in a bearer token. */
const tokenPattern = /^[A-Za-z0-9._~+/-]+=*$/

type Read = Readonly<{ token: string } | { problem: string }>

const tokenIn = (content: SecretText): Read => {
  if ('problem' in content) return content
  const { text } = content
  if (text.length <= maxLength && tokenPattern.test(text)) return { token: text }
  return {
    problem: `must name a file with one API key or token in one line: at most ${maxLength} letters, digits and - . _ ~ + / =`,
  }
}

/** A rule for `readVariables`: the variable, if set, names a file with an API key or token. */
export const mustBeTokenFile = (name: string, path: string | undefined): string | false => {
  const read = path === undefined ? undefined : tokenIn(readSecretFile(path))
  return read !== undefined && 'problem' in read && `${name} ${read.problem}`
}

/** The file that a variable names. */
export type TokenFileConfig = Readonly<{ variable: string; path: string }>

/**
 * Reads the API key or token in a file, and reads it again each second. A file that cannot be used changes nothing: the job
 * fails, which is logged once, and the last token is still used. The whole file is read each time, because the files of a
 * Kubernetes secret are links whose targets are replaced. Throws `OperatorError` if there is no token at first.
 */
export const openTokenFile = ({ variable, path }: TokenFileConfig, logger: Pick<Logger, 'info'>) => {
  const first = tokenIn(readSecretFile(path))
  if ('problem' in first) throw new OperatorError(`${variable} ${first.problem}`)
  let current = first.token
  const reread = fileReader(path, maxSecretBytes)
  const readAgain = async (): Promise<void> => {
    const read = tokenIn(secretTextIn(await reread()))
    if ('problem' in read)
      throw new OperatorError(`${variable} ${read.problem}. The last token is still used`)
    if (read.token === current) return
    current = read.token
    logger.info({ variable }, 'using the new token in the file')
  }
  const job: Job = { name: 'token-file', pauseMs: 1_000, work: readAgain }
  return { token: (): string => current, job }
}

export type TokenFile = ReturnType<typeof openTokenFile>
