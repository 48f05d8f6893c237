import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { type Issuer, startIssuer } from '@shop/testing/auth/issuer.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { startRedis } from '@shop/testing/stores/own-redis.ts'
import { ownSchema } from '@shop/testing/stores/postgres.ts'

type Settings = Readonly<Record<string, string>>

type Options = Readonly<{
  issuer?: Issuer
  /** Variables of both services. */
  common?: Settings
  product?: Settings
  basket?: Settings
}>

/**
 * Starts both services as processes that accept the tokens of an issuer, and API keys: with a schema and a Redis server of their
 * own. Disposing of it stops all.
 */
export const openShop = async ({ issuer: given, common = {}, product = {}, basket = {} }: Options = {}) => {
  const stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'identity-')))
  const issuer = given ?? stack.use(await startIssuer())
  const schema = stack.use(await ownSchema())
  const redisPort = await freePort()
  const redis = startRedis(redisPort)
  stack.defer(redis.kill)
  const office = newApiKey('office', 'products:write', 'baskets:any')
  const keyFile = join(folder.path, 'keys')
  await writeFile(keyFile, office.line)
  const grpcPort = await freePort()
  const all = {
    AUTH: 'jwt',
    AUTH_ISSUER: issuer.url,
    AUTH_AUDIENCE: 'shop',
    API_KEYS_FILE: keyFile,
    AUDIT_KEY: 'the key of the tests, of more than 32 bytes',
    ...common,
  }
  const [products, baskets] = await Promise.all([
    startService('product', { DATABASE_URL: schema.url, GRPC_PORT: String(grpcPort), ...all, ...product }),
    startService('basket', {
      REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}`,
      ...all,
      ...basket,
    }),
  ])
  stack.use(products)
  stack.use(baskets)
  return {
    issuer,
    products,
    baskets,
    grpcPort,
    redisPort,
    schemaUrl: schema.url,
    office,
    keyFile,
    folder: folder.path,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

export type Shop = Awaited<ReturnType<typeof openShop>>
