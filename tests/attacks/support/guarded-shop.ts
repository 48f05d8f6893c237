import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { sized } from './form.ts'
import { type Shop, startShopWith } from './shop.ts'

/** A shop that asks who its callers are, and limits what each uses. */
export type GuardedShop = Shop & Readonly<{ issuer: Issuer }>

/** The proxy of the shop. Others must not name clients. */
export const proxyAddress = '127.0.0.9'

/** What a caller may use in a minute. In the long form, the innocent client needs half of it. */
export const readsPerMinute = sized(900, 2_400)
const writesPerMinute = sized(300, 1_200)

const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600

export const startGuardedShop = async (): Promise<GuardedShop> => {
  await using stack = new AsyncDisposableStack()
  const issuer = stack.use(await startIssuer())
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'attacks-')))
  const keyFile = join(folder.path, 'keys')
  // It fills the shop, and is not the innocent client, which is a user like others.
  const office = newApiKey('office', 'products:write', 'baskets:any', 'unlimited')
  await writeFile(keyFile, office.line)
  const settings = {
    AUTH: 'jwt',
    AUTH_ISSUER: issuer.url,
    AUTH_AUDIENCE: issuer.audience,
    API_KEYS_FILE: keyFile,
    TRUST_PROXY: proxyAddress,
    RATE_LIMIT_READS: String(readsPerMinute),
    RATE_LIMIT_WRITES: String(writesPerMinute),
    // Invented ids of guests are refused by the limit of requests, not by that of new baskets.
    NEW_BASKETS_PER_HOUR: '0',
  }
  const { authorization: filler } = office
  const shop = stack.use(await startShopWith(settings, { authorization: filler }))
  const authorization = `Bearer ${await issuer.sign({ sub: 'innocent', exp: inAnHour() })}`
  const started = stack.move()
  return { ...shop, issuer, authorization, [Symbol.asyncDispose]: () => started.disposeAsync() }
}
