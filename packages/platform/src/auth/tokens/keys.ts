import { createLocalJWKSet, type JWK } from 'jose'
import { parseObject } from './json.ts'

/** The algorithms of signatures that are accepted. All are asymmetric: with HS256, a public key would be a secret. */
export const algorithms = ['ES256', 'EdDSA', 'PS256', 'RS256'] as const

const maxKeys = 100
const minRsaBits = 2_048

export type ChooseKey = ReturnType<typeof createLocalJWKSet>

/** The keys of an issuer, and the text that they were read from. */
export type Keys = Readonly<{ choose: ChooseKey; count: number; text: string }>

const canVerify = async (jwk: JWK, alg: string): Promise<boolean> => {
  try {
    const { algorithm } = await createLocalJWKSet({ keys: [jwk] })({ alg })
    return !('modulusLength' in algorithm) || Number(algorithm.modulusLength) >= minRsaBits
  } catch {
    return false
  }
}

/** Whether it is a public key for one of the algorithms. Sets may have others: for encryption, or for newer algorithms. */
const isUsable = async (jwk: JWK): Promise<boolean> => {
  for (const alg of algorithms) if (await canVerify(jwk, alg)) return true
  return false
}

/** Reads a JSON Web Key Set (RFC 7517). Throws if it has no key that can be used. */
export const parseKeys = async (text: string): Promise<Keys> => {
  const { keys } = parseObject('the key set', text)
  if (!Array.isArray(keys)) throw new Error('the key set has no list of keys')
  if (keys.length > maxKeys) throw new Error(`the key set has more than ${maxKeys} keys`)
  const usable: JWK[] = []
  for (const jwk of keys) if (await isUsable(jwk)) usable.push(jwk)
  if (usable.length === 0) throw new Error(`the key set has no public key for ${algorithms.join(', ')}`)
  return { choose: createLocalJWKSet({ keys: usable }), count: usable.length, text }
}
