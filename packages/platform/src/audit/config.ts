import { type Static, type TObject, Type } from 'typebox'
import type { AuthConfig } from '../auth/config.ts'
import { OperatorError } from '../config/operator-error.ts'
import { readSecretFile, type SecretText } from '../config/secret-files.ts'
import type { Logger } from '../logging/logger.ts'
import type { LogOutput } from '../logging/output.ts'

const variable = 'AUDIT_KEY_FILE'

/** The length of what HMAC-SHA-256 returns (RFC 2104, section 3): a shorter key is weaker. */
const minKeyBytes = 32

/** The variable of the audit log. */
export const auditVariables = { [variable]: Type.Optional(Type.String()) }

type AuditVariables = Static<TObject<typeof auditVariables>> & Readonly<{ AUTH?: string | undefined }>

export type AuditConfig = Readonly<{
  /** The file of the key of the pseudonyms. Without it, the lines do not say which user. */
  keyFile: string | undefined
  /** The file of the lines, in a folder; undefined for the console. */
  file: Readonly<{ folder: string; name: string }> | undefined
}>

const keyIn = (path: string): SecretText => {
  const read = readSecretFile(path)
  if ('problem' in read || Buffer.byteLength(read.text) >= minKeyBytes) return read
  return { problem: `must name a file with at least ${minKeyBytes} bytes` }
}

/** Reads the key. Throws `OperatorError` if the file has none. For the start of a process: it waits. */
export const readAuditKey = (path: string): string => {
  const key = keyIn(path)
  if ('problem' in key) throw new OperatorError(`${variable} ${key.problem}`)
  return key.text
}

/** The rules of this variable that its schema cannot express. */
export const auditProblems = ({
  AUTH,
  AUDIT_KEY_FILE: path,
}: AuditVariables): readonly (string | false)[] => {
  if (path === undefined || AUTH === 'off') return []
  if (AUTH === undefined) return [`${variable} must not be set unless AUTH is keys or jwt`]
  const key = keyIn(path)
  return ['problem' in key && `${variable} ${key.problem}`]
}

/** The name of the file of audit lines beside the log file of this name: `shop.audit.log` beside `shop.log`. */
const fileBeside = (name: string): string => name.replace(/(\.[^.]*)?$/, (extension) => `.audit${extension}`)

/** The configuration in the variables, which break no rule. Undefined if nobody is asked who he is: then there is nothing to say. */
export const auditConfigOf = (
  variables: AuditVariables,
  auth: AuthConfig,
  { output, folder, file }: LogOutput,
): AuditConfig | undefined =>
  auth.mode === 'off'
    ? undefined
    : {
        keyFile: variables[variable],
        file: output === 'console' ? undefined : { folder, name: fileBeside(file) },
      }

/** Warns if the lines will not say which user. */
export const warnIfUnkeyed = (logger: Pick<Logger, 'warn'>, config: AuditConfig | undefined): void => {
  if (config !== undefined && config.keyFile === undefined)
    logger.warn(`${variable} is not set: audit lines do not say which user has written, nor whose basket`)
}
