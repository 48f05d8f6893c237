import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { redisUrl } from '@shop/testing/stores/redis.ts'
import type { Processes } from './comparison.ts'
import { type Server, startServer } from './process.ts'
import { storeProcesses } from './stores.ts'

export type Started = Server & Readonly<{ grpc: string; processes: Processes }>
type Environment = Readonly<Record<string, string>>

/**
 * Settings with which a service logs as in production: every request, to rolling files. The load generator is
 * one client, so its shares are raised.
 */
export const productionSettings = (folder: string) => ({
  ENVIRONMENT: 'staging',
  SHUTDOWN_DELAY_SECONDS: '0',
  LOG_LEVEL: 'info',
  LOG_FORMAT: 'json',
  LOG_OUTPUT: 'file',
  LOG_DIR: folder,
  MAX_CONNECTIONS_PER_CLIENT: '10000',
  MAX_CALLS: '10000',
  NEW_BASKETS_PER_HOUR: '0',
  RATE_LIMIT_READS: 'off',
  RATE_LIMIT_WRITES: 'off',
})

/** The bundle that the images run. */
const service = (name: string) => ({ script: `services/${name}/dist/main.js`, readyPath: '/health/ready' })
const sources = (name: string) => ({ ...service(name), script: `services/${name}/src/main.ts` })

/** The programs of each candidate: how it is started, and the path that tells when it is ready. */
const programs = {
  product: service('product'),
  basket: service('basket'),
  productSources: sources('product'),
  basketSources: sources('basket'),
  obviousProduct: { script: 'bench/baselines/obvious-products.ts', readyPath: '/products/1' },
  obviousBasket: { script: 'bench/baselines/obvious-baskets.ts', readyPath: '/health' },
  nest: { script: 'bench/baselines/nest/dist/main.js', readyPath: '/products/1' },
  constant: { script: 'bench/baselines/constant.ts', readyPath: '/' },
  empty: { script: 'bench/baselines/empty-grpc.ts', readyPath: '/health/live' },
} as const

type Program = keyof typeof programs

/** Starts a program on free ports. It logs to files in `folder`, the obvious ones if their LOG_FILE is set. */
export const startProgram = async (program: Program, environment: Environment) => {
  const { script, readyPath } = programs[program]
  if (!existsSync(join(root, script)))
    throw new OperatorError(
      'Run this with make bench, which bundles the services, and installs and compiles the NestJS implementation.',
    )
  const grpcPort = String(await freePort())
  const server = await startServer(script, await freePort(), readyPath, {
    GRPC_PORT: grpcPort,
    ...environment,
  })
  return { ...server, grpc: `127.0.0.1:${grpcPort}` }
}

/** Calls each function at most once, when it is first needed. */
const lazily = <Name extends string, Value>(functions: Readonly<Record<Name, () => Promise<Value>>>) => {
  const values = new Map<Name, Promise<Value>>()
  return (name: Name): Promise<Value> => {
    const value = values.get(name) ?? functions[name]()
    values.set(name, value)
    return value
  }
}

const environmentsOf = (folder: string, databaseUrl: string) => {
  const ours = productionSettings(folder)
  return {
    ours,
    // Several processes cannot share a rolling file.
    workers: { ...ours, WORKERS: '2', LOG_OUTPUT: 'console', OUTPUT_FILE: join(folder, 'workers.log') },
    database: { DATABASE_URL: databaseUrl },
    logs: (name: string) => ({ LOG_FILE: join(folder, `${name}.log`) }),
  }
}

/** The candidates for the catalog and for the baskets. Each is started when it is first needed. */
export const createServers = async (
  stack: AsyncDisposableStack,
  { databaseUrl, folder }: Readonly<{ databaseUrl: string; folder: string }>,
) => {
  const { postgres, redis } = await storeProcesses(databaseUrl)
  const start = async (program: Program, environment: Environment, catalog?: Started): Promise<Started> => {
    const server = stack.use(await startProgram(program, environment))
    const called = catalog ? { called: [catalog.pid] } : {}
    const store = catalog ? [...postgres, ...redis] : postgres
    return { ...server, processes: { service: [server.pid], ...called, store } }
  }
  const { ours, workers, database, logs } = environmentsOf(folder, databaseUrl)
  const catalogs = lazily({
    ours: () => start('product', { ...ours, ...database }),
    'ours, 2 workers': () => start('product', { ...workers, ...database }),
    obvious: () => start('obviousProduct', database),
    'obvious with logs': () => start('obviousProduct', { ...database, ...logs('products') }),
    nest: () => start('nest', { ...database, ...logs('nest') }),
    constant: () => start('constant', {}),
    'bare constant': () => start('constant', {}),
    empty: () => start('empty', {}),
  })
  type Name = Parameters<typeof catalogs>[0]
  const basket = (name: Name, program: Program, environment: Environment) => async () => {
    const catalog = await catalogs(name)
    return start(program, { REDIS_URL: redisUrl, PRODUCT_SERVICE_URL: catalog.grpc, ...environment }, catalog)
  }
  const baskets = lazily({
    ours: basket('ours', 'basket', ours),
    'ours, 2 workers': basket('ours, 2 workers', 'basket', workers),
    obvious: basket('obvious', 'obviousBasket', {}),
    'obvious with logs': basket('obvious with logs', 'obviousBasket', logs('baskets')),
    constant: () => catalogs('constant'),
    'bare constant': () => catalogs('bare constant'),
  })
  return { catalogs, baskets, stores: [...postgres, ...redis] }
}

export type CatalogName = Parameters<Awaited<ReturnType<typeof createServers>>['catalogs']>[0]
export type BasketName = Parameters<Awaited<ReturnType<typeof createServers>>['baskets']>[0]
