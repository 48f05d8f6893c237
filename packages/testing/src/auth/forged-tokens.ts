import { systemClock } from '@shop/kernel/clock.ts'
import { base64url, exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import type { Issuer } from './issuer.ts'
import { createSigningKey } from './signing-key.ts'

/** Makes tokens that are not those of the issuer. Each call makes another one. */
export const forger = async (issuer: Issuer) => {
  const now = (): number => Math.floor(systemClock().getTime() / 1_000)
  const claims = () => ({ iss: issuer.url, aud: issuer.audience, sub: 'user123', exp: now() + 3_600 })
  const [own, ofAnother] = [
    await createSigningKey({ kid: 'key-of-mallory' }),
    await createSigningKey({ kid: 'key-1' }),
  ]
  const { jwk } = issuer.state.keys[0] ?? own
  const secret = async () =>
    new TextEncoder().encode(await exportSPKI((await importJWK(jwk, 'ES256')) as CryptoKey))
  const withPart = async (index: 0 | 1, part: unknown): Promise<string> => {
    const parts = (await issuer.sign()).split('.')
    parts[index] = base64url.encode(JSON.stringify(part))
    return parts.join('.')
  }
  let count = 0
  return {
    now,
    unsigned: () => new UnsecuredJWT(claims()).encode(),
    signedWithPublicKey: async () =>
      new SignJWT(claims())
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'key-1' })
        .sign(await secret()),
    ofAnotherKey: () => ofAnother.sign({ ...claims(), jti: String(count++) }),
    ofUnknownKey: () => own.sign({ ...claims(), jti: String(count++) }, { kid: `unknown-${count}` }),
    withItsKey: () => own.sign(claims(), { jwk: own.jwk, kid: 'key-1' }),
    critical: () => withPart(0, { alg: 'ES256', kid: 'key-1', typ: 'at+jwt', crit: ['other'], other: 1 }),
    deep: () =>
      `${base64url.encode(`{"alg":"ES256","kid":"key-1","x":${'['.repeat(2_000)}${']'.repeat(2_000)}}`)}.e30.AAAA`,
    changed: () => withPart(1, { ...claims(), sub: 'root', scope: 'everything' }),
  }
}
