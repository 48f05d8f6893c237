import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ErrorReply, type RedisClientType } from '@redis/client'
import type { Logger } from '@shop/platform/logging/logger.ts'
import { openCluster } from './cluster.ts'
import { refusalsOf } from './command-guard.ts'
import type { Connections, RedisConfig, RedisConnection } from './connection.ts'
import { type KeyspaceSample, sampleKeyspace } from './keyspace-sample.ts'
import { type Memory, memoryOf } from './memory.ts'
import { replication } from './replicas.ts'
import { connectToServer } from './server.ts'

type Compared = Readonly<{ done: boolean; found: string | null }>

/** Values under keys that expire, in one server or a cluster. Each method may reject with `unavailable`. */
export type RedisStore = AsyncDisposable &
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
    /** What each server says of its keys, and at least so many of them, unless there are fewer. */
    sampleKeyspace: (size: number) => Promise<readonly KeyspaceSample[]>
    /** How much memory each server uses and may use. */
    memory: () => Promise<readonly Memory[]>
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

/** Connects to the server or the cluster that the configuration names. */
const connect = (config: RedisConfig, logger: Logger): RedisConnection =>
  'nodes' in config.target
    ? openCluster(config.target.nodes, config, logger)
    : connectToServer(config.target, config, logger)

/** Connects in the background; until it has, and whenever the connection is lost, commands are refused at once. */
export const openRedis = (config: RedisConfig, logger: Logger): RedisStore => {
  const stack = new AsyncDisposableStack()
  const waiting = config.waitReplicas > 0
  const reads = stack.use(connect(config, logger))
  // To wait for replicas blocks the connection, and reads need not wait.
  const writes = waiting ? stack.use(connect(config, logger.child({ connection: 'writes' }))) : reads
  const replicated = replication(config.waitReplicas, refusalsOf(config.storeName))

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
    sampleKeyspace: (size) => reads.everywhere((client) => sampleKeyspace(client, size)),
    memory: () => reads.everywhere(memoryOf),
    connections: () => (waiting ? sumOf(reads.connections(), writes.connections()) : reads.connections()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
