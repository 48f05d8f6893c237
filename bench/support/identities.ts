import { hash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '@shop/kernel/clock.ts'
import { createSigningKey } from '@shop/testing/auth/signing-key.ts'

type Environment = Readonly<Record<string, string>>

const keyCount = 20
const issuer = 'https://issuer.example'
const audience = 'shop'

const newKey = () => `shop_${randomBytes(32).toString('base64url')}`

/** Writes the file of API keys, and returns the last of its keys. */
const writeKeys = (path: string): string => {
  const keys = Array.from({ length: keyCount }, newKey)
  const lines = keys.map((key, index) => `machine-${index} ${hash('sha256', key)} products:write baskets:any`)
  writeFileSync(path, `${lines.join('\n')}\n`)
  return keys.at(-1) ?? ''
}

/** Writes the public keys of an issuer, and returns a token for a whole run, in size and claims like those of common issuers. */
const writeIssuer = async (path: string): Promise<string> => {
  const key = await createSigningKey({ alg: 'RS256', kid: 'bench' })
  writeFileSync(path, JSON.stringify({ keys: [key.jwk] }))
  const now = Math.floor(systemClock().getTime() / 1_000)
  return key.sign({
    iss: issuer,
    aud: audience,
    sub: 'auth0|507f1f77bcf86cd799439011',
    scope: 'openid profile products:write baskets:any',
    client_id: 'shop-front-end',
    jti: '5d5d2f4e-6a3b-4d1e-9d8f-1f1c2f3a4b5c',
    iat: now,
    exp: now + 24 * 3_600,
  })
}

/**
 * What services need to know their callers, and what callers send. Its files are written to `folder`. The same processes serve all
 * callers: two processes with the same code differ by more than what is measured.
 */
export const createIdentities = async (folder: string) => {
  const API_KEYS_FILE = join(folder, 'api-keys')
  const AUTH_JWKS_FILE = join(folder, 'jwks.json')
  const key = writeKeys(API_KEYS_FILE)
  const token = await writeIssuer(AUTH_JWKS_FILE)
  const known = { AUTH: 'jwt', AUTH_ISSUER: issuer, AUTH_AUDIENCE: audience, AUTH_JWKS_FILE, API_KEYS_FILE }
  return {
    environments: { off: { AUTH: 'off' }, known } satisfies Record<string, Environment>,
    callers: [
      { name: 'off', service: 'off', authorization: undefined },
      { name: 'no credentials', service: 'known', authorization: undefined },
      { name: 'API key', service: 'known', authorization: `Bearer ${key}` },
      { name: 'token', service: 'known', authorization: `Bearer ${token}` },
    ],
  } as const
}
