import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { mutableProxyOn } from '@shop/testing/services/tcp.ts'
import { onServer, startRedis } from '@shop/testing/stores/own-redis.ts'
import { startCluster } from './cluster.ts'
import type { Fault } from './faults.ts'
import { linkFaults } from './process-under-test.ts'

export const engines = ['sqlite', 'redis', 'cluster'] as const
export type Engine = (typeof engines)[number]

export type Store = AsyncDisposable &
  Readonly<{
    /** The variables of each process of the basket service. */
    environments: readonly Readonly<Record<string, string>>[]
    faults: readonly Fault[]
    /** How many times a replica has taken over. */
    failovers: () => number
  }>

const startSqlite = async (): Promise<Store> => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'history-baskets-'))
  return {
    // Only one instance may open the file, so the two processes are its workers.
    environments: [{ DATA_DIR: folder.path, WORKERS: '2' }],
    faults: [],
    failovers: () => 0,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  }
}

/** Starts a server that has each write on its disk before it acknowledges it. */
const startDurableRedis = (port: number, folder: string) =>
  startRedis(port, { dir: folder, appendonly: 'yes', appendfsync: 'always' })

const untilServing = (port: number) => eventually(20_000, () => onServer(port, (client) => client.ping()))

const startSingleRedis = async (): Promise<Store> => {
  await using stack = new AsyncDisposableStack()
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'history-redis-')))
  const port = await freePort()
  let server = startDurableRedis(port, folder.path)
  stack.defer(() => server.kill())
  await untilServing(port)
  const proxies = await Promise.all(
    [0, 1].map(async () => {
      const proxyPort = await freePort()
      const proxy = stack.use(mutableProxyOn(proxyPort, { host: '127.0.0.1', port }))
      await proxy.start()
      return { proxyPort, proxy }
    }),
  )
  const paused: Fault = {
    kind: 'Redis paused',
    run: async (random) => {
      server.suspend()
      await delay(random.between(300, 1_500))
      server.resume()
    },
  }
  const killed: Fault = {
    kind: 'Redis killed',
    run: async () => {
      await server.kill()
      server = startDurableRedis(port, folder.path)
      await untilServing(port)
    },
  }
  const owned = stack.move()
  return {
    environments: proxies.map(({ proxyPort }) => ({ REDIS_URL: `redis://127.0.0.1:${proxyPort}` })),
    faults: [paused, killed, ...proxies.flatMap(({ proxy }) => linkFaults('Redis', proxy, 700))],
    failovers: () => 0,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export const startStore = (engine: Engine): Promise<Store> =>
  ({ sqlite: startSqlite, redis: startSingleRedis, cluster: startCluster })[engine]()
