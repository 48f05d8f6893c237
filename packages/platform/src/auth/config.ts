import { type Static, type TObject, Type } from 'typebox'
import { mustBeFile, mustBeUrl } from '../config/variables.ts'
import type { Logger } from '../logging/logger.ts'
import { apiKeyProblems } from './api-keys.ts'
import type { KeyLocation, TokenConfig } from './tokens/config.ts'

/** How a service finds out who its callers are. */
export type AuthConfig = Readonly<
  /** It does not ask. `isProduction` makes it warn of that. */
  | { mode: 'off'; isProduction: boolean }
  | { mode: 'keys'; apiKeysFile: string }
  | { mode: 'jwt'; tokens: TokenConfig; apiKeysFile: string | undefined }
>

const defaultType = 'at+jwt'

/** Those of `make issuer`, in development. */
const developmentDefaults = { issuer: 'http://localhost:9090', audience: 'shop' } as const

const url = {
  pattern: '^https?://[^/?#@\\s]+(/[^?#\\s]*)?$',
  maxLength: 2_000,
  description: 'a URL such as https://issuer.example, without user, query and fragment',
} as const

/** The variables that say who callers are. */
export const authVariables = {
  AUTH: Type.Optional(Type.Enum(['off', 'keys', 'jwt'])),
  AUTH_ISSUER: Type.Optional(Type.String(url)),
  AUTH_AUDIENCE: Type.Optional(Type.String({ maxLength: 1_000 })),
  AUTH_JWKS_URL: Type.Optional(
    Type.String({
      pattern: '^https?://[^/?#@\\s]+([/?][^#\\s]*)?$',
      maxLength: 2_000,
      description: 'a URL such as https://issuer.example/jwks, without user and fragment',
    }),
  ),
  AUTH_JWKS_FILE: Type.Optional(Type.String()),
  AUTH_TYP: Type.String({
    pattern: '^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$',
    description: `any, or the typ of the tokens, such as ${defaultType}`,
    default: defaultType,
  }),
  API_KEYS_FILE: Type.Optional(Type.String()),
}

type AuthVariables = Static<TObject<typeof authVariables>> & Readonly<{ ENVIRONMENT: string }>

const isDevelopment = ({ ENVIRONMENT }: AuthVariables): boolean => ENVIRONMENT === 'development'

/** Variables without effect were set for a reason, which AUTH does not know. */
const unusedProblems = (variables: AuthVariables): (string | false)[] => {
  const { AUTH: mode } = variables
  const ofTokens = {
    AUTH_ISSUER: variables.AUTH_ISSUER,
    AUTH_AUDIENCE: variables.AUTH_AUDIENCE,
    AUTH_JWKS_URL: variables.AUTH_JWKS_URL,
    AUTH_JWKS_FILE: variables.AUTH_JWKS_FILE,
    AUTH_TYP: variables.AUTH_TYP === defaultType ? undefined : variables.AUTH_TYP,
  }
  const used = mode === 'off' || mode === 'jwt'
  return [
    ...Object.entries(ofTokens).map(
      ([name, value]) => value !== undefined && !used && `${name} must not be set unless AUTH is jwt`,
    ),
    variables.API_KEYS_FILE !== undefined &&
      mode === undefined &&
      'API_KEYS_FILE must not be set unless AUTH is keys or jwt',
  ]
}

const isHttp = (text: string | undefined): boolean => text?.startsWith('http:') === true

const tokenProblems = (variables: AuthVariables): (string | false)[] => {
  const { AUTH_ISSUER: issuer, AUTH_JWKS_URL: jwksUrl, AUTH_JWKS_FILE: file } = variables
  const outside = !isDevelopment(variables)
  const isFetched = jwksUrl === undefined && file === undefined
  return [
    mustBeUrl('AUTH_ISSUER', issuer),
    mustBeUrl('AUTH_JWKS_URL', jwksUrl),
    outside && issuer === undefined && 'AUTH_ISSUER must be set when AUTH is jwt',
    outside && variables.AUTH_AUDIENCE === undefined && 'AUTH_AUDIENCE must be set when AUTH is jwt',
    jwksUrl !== undefined &&
      file !== undefined &&
      'AUTH_JWKS_FILE must not be set together with AUTH_JWKS_URL',
    outside && isHttp(jwksUrl) && 'AUTH_JWKS_URL must begin with https: outside development',
    outside &&
      isFetched &&
      isHttp(issuer) &&
      'AUTH_ISSUER must begin with https: outside development, because its keys are found there',
    mustBeFile('AUTH_JWKS_FILE', file),
  ]
}

/** The rules of these variables that their schema cannot express. */
export const authProblems = (variables: AuthVariables): readonly (string | false)[] => {
  const { AUTH: mode, API_KEYS_FILE: file } = variables
  return [
    variables.ENVIRONMENT === 'production' &&
      mode === undefined &&
      'AUTH must be set in production: keys, jwt, or off, which lets everybody do everything',
    ...unusedProblems(variables),
    mode === 'keys' && file === undefined && 'API_KEYS_FILE must be set when AUTH is keys',
    ...(mode === 'jwt' ? tokenProblems(variables) : []),
    ...((mode === 'keys' || mode === 'jwt') && file !== undefined ? apiKeyProblems(file) : []),
  ]
}

const keyLocationOf = ({ AUTH_JWKS_URL, AUTH_JWKS_FILE: path }: AuthVariables): KeyLocation => {
  if (AUTH_JWKS_URL !== undefined) return { kind: 'url', url: AUTH_JWKS_URL }
  return path === undefined ? { kind: 'issuer' } : { kind: 'file', path }
}

/** The configuration in the variables, which break no rule. */
export const authConfigOf = (variables: AuthVariables): AuthConfig => {
  const { AUTH: mode = 'off', API_KEYS_FILE: apiKeysFile } = variables
  if (mode === 'keys' && apiKeysFile !== undefined) return { mode, apiKeysFile }
  if (mode !== 'jwt') return { mode: 'off', isProduction: variables.ENVIRONMENT === 'production' }
  return {
    mode,
    apiKeysFile,
    tokens: {
      issuer: variables.AUTH_ISSUER ?? developmentDefaults.issuer,
      audience: variables.AUTH_AUDIENCE ?? developmentDefaults.audience,
      typ: variables.AUTH_TYP,
      keys: keyLocationOf(variables),
      allowHttp: isDevelopment(variables),
    },
  }
}

/** Warns if everybody may do everything in production. */
export const warnIfOpen = (logger: Pick<Logger, 'warn'>, config: AuthConfig): void => {
  if (config.mode === 'off' && config.isProduction)
    logger.warn('AUTH is off: everybody who reaches the service may do everything')
}
