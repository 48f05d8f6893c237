import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

/** A key pair that signs tokens. `jwk` is the public key, as an issuer publishes it. */
export type SigningKey = Readonly<{
  alg: string
  kid: string | undefined
  jwk: JWK
  sign: (claims: JWTPayload, header?: Readonly<Record<string, unknown>>) => Promise<string>
}>

type KeyOptions = Readonly<{
  alg?: string
  /** Without one, tokens and the key set do not name the key. */
  kid?: string | undefined
  /** Of RSA keys. */
  modulusLength?: number
}>

export const createSigningKey = async ({
  alg = 'ES256',
  kid,
  modulusLength = 2_048,
}: KeyOptions = {}): Promise<SigningKey> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, modulusLength })
  const named = kid === undefined ? {} : { kid }
  return {
    alg,
    kid,
    jwk: { ...(await exportJWK(publicKey)), ...named, alg, use: 'sig' },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, typ: 'at+jwt', ...named, ...header }).sign(privateKey),
  }
}
