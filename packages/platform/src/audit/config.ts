import { type Static, type TObject, Type } from 'typebox'
import type { AuthConfig } from '../auth/config.ts'
import { type Environment, readVariables, secret } from '../config/variables.ts'
import type { Logger } from '../logging/logger.ts'
import type { LogOutput } from '../logging/output.ts'

/** The length of what HMAC-SHA-256 returns: RFC 2104, section 3, advises against shorter keys. */
const minKeyBytes = 32

/** The variable of the audit log. */
export const auditVariables = { AUDIT_KEY: Type.Optional(Type.String(secret)) }

type AuditVariables = Static<TObject<typeof auditVariables>> & Readonly<{ AUTH?: string | undefined }>

export type AuditConfig = Readonly<{
  /** The key of the pseudonyms. Without it, the lines do not say which user. */
  key: string | undefined
  /** The file of the lines, in a folder; undefined for the console. */
  file: Readonly<{ folder: string; name: string }> | undefined
}>

/** The rules of this variable that its schema cannot express. */
export const auditProblems = ({ AUTH, AUDIT_KEY: key }: AuditVariables): readonly (string | false)[] =>
  key === undefined
    ? []
    : [
        AUTH === undefined && 'AUDIT_KEY must not be set unless AUTH is keys or jwt',
        Buffer.byteLength(key) < minKeyBytes && `AUDIT_KEY must have at least ${minKeyBytes} bytes`,
      ]

/** Reads the key as the services do; undefined if there is none. Throws `ConfigError`. */
export const readAuditKey = (environment: Environment): string | undefined =>
  readVariables(Type.Object(auditVariables), environment, (values) =>
    auditProblems({ ...values, AUTH: 'jwt' }),
  ).AUDIT_KEY

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
        key: variables.AUDIT_KEY,
        file: output === 'console' ? undefined : { folder, name: fileBeside(file) },
      }

/** Warns if the lines will not say which user. */
export const warnIfUnkeyed = (logger: Pick<Logger, 'warn'>, config: AuditConfig | undefined): void => {
  if (config !== undefined && config.key === undefined)
    logger.warn('AUDIT_KEY is not set: audit lines do not say which users they are about')
}
