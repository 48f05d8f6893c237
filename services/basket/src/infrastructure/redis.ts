import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, defineScript, ErrorReply } from '@redis/client'
import { AppError } from '@shop/kernel/errors.ts'
import { withDeadline } from '@shop/platform/deadline.ts'
import type { Logger } from '@shop/platform/logger.ts'
import type { BasketConfig } from '../config.ts'
import { type Survey, surveyOf } from './redis-survey.ts'

const commandTimeoutMs = 500
const maxReconnectDelayMs = 500
const maxQueuedCommands = 10_000

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
    ) => Promise<Readonly<{ done: boolean; found: string | null }>>
    ping: () => Promise<unknown>
    /** What each server says of its keys, and so many of them. */
    survey: (sampleSize: number) => Promise<readonly Survey[]>
    /** How many there are to the servers. */
    connections: () => number
  }>

const compareAndSetScript = defineScript({
  SCRIPT: readFileSync(join(import.meta.dirname, 'compare-and-set.lua'), 'utf8'),
  NUMBER_OF_KEYS: 1,
  parseCommand: (parser, key: string, expected: string, value: string, ttlSeconds: number) => {
    parser.pushKey(key)
    parser.push(expected, value, String(ttlSeconds))
  },
  transformReply: ([done, found]: [number, string | null]) => ({ done: done === 1, found }),
})

/** Replies by which the server refuses a command that was right: a bug of ours, not its state. */
const ourFault = /^(ERR|WRONGTYPE|NOSCRIPT)\b/

/**
 * Waits for the answer to a command, for so long. From a command without one until it is settled after all, by its answer
 * or by the loss of the connection, others are not even sent: nobody queues up for a server that hangs, and its
 * connection falls idle, which ends it.
 */
const answers = () => {
  let overdue = 0
  return async <Reply>(send: () => Promise<Reply>): Promise<Reply> => {
    if (overdue > 0) throw new AppError('unavailable', 'the basket store does not answer')
    const command = send()
    try {
      return await withDeadline(commandTimeoutMs, 'the basket store did not answer in time', command)
    } catch (error) {
      if (error instanceof AppError) {
        overdue += 1
        const settled = () => {
          overdue -= 1
        }
        void command.then(settled, settled)
        throw error
      }
      if (error instanceof ErrorReply && ourFault.test(error.message)) throw error
      throw new AppError('unavailable', 'the basket store cannot answer right now', {}, { cause: error })
    }
  }
}

type RedisConfig = Pick<
  BasketConfig,
  'REDIS_URL' | 'REDIS_HOST' | 'REDIS_PORT' | 'REDIS_PASSWORD' | 'REDIS_DB'
>

const addressOf = (config: RedisConfig) =>
  config.REDIS_URL === undefined
    ? {
        socket: { host: config.REDIS_HOST ?? 'localhost', port: config.REDIS_PORT },
        database: config.REDIS_DB,
        ...(config.REDIS_PASSWORD !== undefined && { password: config.REDIS_PASSWORD }),
      }
    : { url: config.REDIS_URL, socket: {} }

/** Connects in the background, and anew whenever the connection is lost; until it is there commands are refused at once. */
export const openRedis = (config: RedisConfig, logger: Logger): BasketRedis => {
  const { socket, ...address } = addressOf(config)
  const client = createClient({
    ...address,
    socket: {
      ...socket,
      connectTimeout: 2_000,
      // Against a server that hangs: the pings keep a healthy connection from being idle for so long.
      socketTimeout: 5_000,
      reconnectStrategy: (retries) =>
        Math.min(50 * 2 ** retries, maxReconnectDelayMs) * (0.5 + Math.random() / 2),
    },
    pingInterval: 1_000,
    disableOfflineQueue: true,
    commandsQueueMaxLength: maxQueuedCommands,
    scripts: { compareAndSet: compareAndSetScript },
  })
  const answerTo = answers()
  let reported = false
  client.on('error', (error: unknown) => {
    if (!reported) logger.warn({ err: error }, 'Redis cannot be reached; trying again')
    reported = true
  })
  client.on('ready', () => {
    reported = false
    logger.info('connected to Redis')
  })
  client.connect().catch((error: unknown) => logger.error({ err: error }, 'Redis is not connected any more'))

  return {
    get: (key) => answerTo(() => client.get(key)),
    compareAndSet: (key, expected, value, ttlSeconds) =>
      answerTo(() => client.compareAndSet(key, expected ?? '', value ?? '', ttlSeconds)),
    ping: () => answerTo(() => client.ping()),
    survey: async (sampleSize) => [await answerTo(() => surveyOf(client, sampleSize))],
    connections: () => (client.isReady ? 1 : 0),
    [Symbol.asyncDispose]: async () => {
      if (client.isReady)
        await withDeadline(commandTimeoutMs, 'Redis did not close', client.close()).catch(() => {})
      if (client.isOpen) client.destroy()
    },
  }
}
