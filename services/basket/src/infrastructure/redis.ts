import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrorReply, type RedisClientType } from '@redis/client'
import type { Logger } from '@shop/platform/logger.ts'
import type { BasketConfig } from '../config.ts'
import { openCluster } from './redis-cluster.ts'
import { type Connections, openServer, type RedisConfig } from './redis-connection.ts'
import { replication } from './redis-replicas.ts'
import { type Survey, surveyOf } from './redis-survey.ts'

type Compared = Readonly<{ done: boolean; found: string | null }>

/** What baskets need of Redis. Each may reject with `unavailable`. */
export type BasketRedis = AsyncDisposable &
  Readonly<{
    get: (key: string) => Promise<string | null>
    /**
     * Sets the key, with its time to live, if it holds `expected`, where null stands for no key; null as `value`
     * removes it. `found` is what it held when that was something else.
     */
    compareAndSet: (
      key: string,
      expected: string | null,
      value: string | null,
      ttlSeconds: number,
    ) => Promise<Compared>
    ping: () => Promise<unknown>
    /** Rejects unless as many replicas follow as writes are to wait for. */
    pingReplicas: () => Promise<unknown>
    /** What each server says of its keys, and so many of them. */
    survey: (sampleSize: number) => Promise<readonly Survey[]>
    /** Those that there are to the servers, and those that there should be. */
    connections: () => Connections
  }>

const script = readFileSync(join(import.meta.dirname, 'compare-and-set.lua'), 'utf8')
const scriptDigest = createHash('sha1').update(script).digest('hex')

/**
 * Runs the script, which a server that does not know it, as one that has just started, is given first. Not by EVAL: a
 * server that is only about to own the key would not run that, but would then never know the script.
 */
const runScript = async (client: RedisClientType, key: string, ...values: string[]): Promise<Compared> => {
  const run = () =>
    client.sendCommand<[number, string | null]>(['EVALSHA', scriptDigest, '1', key, ...values])
  const [done, found] = await run().catch(async (error: unknown) => {
    if (!(error instanceof ErrorReply && error.message.startsWith('NOSCRIPT'))) throw error
    await client.scriptLoad(script)
    return run()
  })
  return { done: done === 1, found }
}

const sumOf = (one: Connections, other: Connections): Connections => ({
  used: one.used + other.used,
  max: one.max + other.max,
})

/** Connects in the background; until it has, and whenever the connection is lost, commands are refused at once. */
export const openRedis = (
  config: RedisConfig & Pick<BasketConfig, 'BASKET_WAIT_REPLICAS'>,
  logger: Logger,
): BasketRedis => {
  const stack = new AsyncDisposableStack()
  const open = config.REDIS_CLUSTER_NODES === undefined ? openServer : openCluster
  const waiting = config.BASKET_WAIT_REPLICAS > 0
  const reads = stack.use(open(config, logger))
  // To wait for replicas blocks the connection, and reads need not wait.
  const writes = waiting ? stack.use(open(config, logger.child({ connection: 'writes' }))) : reads
  const replicated = replication(config.BASKET_WAIT_REPLICAS)

  return {
    get: (key) => reads.at(key, (client) => client.get(key)),
    compareAndSet: (key, expected, value, ttlSeconds) =>
      writes.at(key, async (client) => {
        const connection = client.socketEpoch
        const compared = await runScript(client, key, expected ?? '', value ?? '', String(ttlSeconds))
        if (waiting && compared.done) await replicated(client, connection)
        return compared
      }),
    ping: () => Promise.all([reads.ping(), waiting && writes.ping()]),
    pingReplicas: () => writes.everywhere((client) => replicated(client, client.socketEpoch)),
    survey: (sampleSize) => reads.everywhere((client) => surveyOf(client, sampleSize)),
    connections: () => (waiting ? sumOf(reads.connections(), writes.connections()) : reads.connections()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
