import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { createHealth } from '@shop/platform/health/health.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'
import { readConfig } from '../../src/config.ts'
import type { BasketEvent } from '../../src/domain/basket-events.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aBasket, ownFolder } from '../support/baskets.ts'

const open = (variables: Readonly<Record<string, string>>, logger = silentLogger) =>
  openAdapters({ config: readConfig(variables), logger })

/** For `assert.rejects`: asserts that the message is exactly our own, without the database error's text. */
const assertBusy = (error: unknown): boolean => {
  assert.ok(error instanceof AppError)
  assert.deepEqual([error.kind, error.message], ['unavailable', 'too many concurrent writes'])
  return true
}

describe('the SQLite adapters', () => {
  test('reject writes and removals with unavailable if another connection holds the write lock for longer than the timeout', async () => {
    await using folder = await ownFolder()
    await using adapters = await open({ DATA_DIR: folder.path })
    const { baskets, expiry } = adapters.ports
    const stored = await baskets.update('user123', () => aBasket())
    using other = openSqlite(join(folder.path, 'baskets.sqlite'))
    other.exec('update baskets set expires_at = 1')
    other.exec('begin immediate')
    await assert.rejects(
      baskets.update('another', () => aBasket('another')),
      assertBusy,
    )
    assert.ok(expiry)
    await assert.rejects(expiry.removeExpired(), assertBusy)
    other.exec('rollback')
    assert.deepEqual(await expiry.removeExpired(), [stored])
    assert.equal((await adapters.ports.statistics.read()).expired, 1)
  })
})

test('the secrets of guests are 128 random bits each, and none repeats in 10,000', async () => {
  await using folder = await ownFolder()
  await using adapters = await open({ DATA_DIR: folder.path })
  const secrets = Array.from({ length: 10_000 }, adapters.ports.newSecret)
  assert.equal(new Set(secrets).size, 10_000)
  assert.equal(new Set(secrets.map((secret) => secret.slice(0, 11))).size, 10_000)
  const ones = new Array<number>(128).fill(0)
  for (const secret of secrets) {
    assert.match(secret, /^[A-Za-z0-9_-]{22}$/)
    const bytes = Buffer.from(secret, 'base64url')
    assert.deepEqual([bytes.length, bytes.toString('base64url')], [16, secret])
    for (let bit = 0; bit < 128; bit++)
      ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1)
  }
  // Each bit is set in half of them: 5,000 with a standard deviation of 50. Eight of these happen once in 10^13 runs.
  for (const count of ones) assert.ok(count > 4_600 && count < 5_400, ones.join())
})

test('while another process holds the write lock of the SQLite file, health neither waits nor reports a failure', async () => {
  await using folder = await ownFolder()
  await using adapters = await open({ DATA_DIR: folder.path })
  const dependencies = adapters.dependencies.filter(({ name }) => name !== 'product-service')
  const { report } = createHealth('basket-service', '0', dependencies)
  using other = openSqlite(join(folder.path, 'baskets.sqlite'))
  other.exec('begin immediate')
  const { status, checks } = await report()
  assert.equal(status, 'healthy')
  // A write waits for the lock for 5,000 ms.
  assert.ok(Number(checks['sqlite-writes']?.latency_ms) < 4_000)
})

test('a write waits for the lock of another process without blocking this one', async () => {
  await using folder = await ownFolder()
  await using adapters = await open({ DATA_DIR: folder.path })
  using other = openSqlite(join(folder.path, 'baskets.sqlite'))
  other.exec('begin immediate')
  const written = adapters.ports.baskets.update('user123', () => aBasket())
  // A write that blocks the process would fail before the lock is released.
  await delay(300)
  other.exec('rollback')
  assert.equal((await written).version, 1)
})

test('Redis needs no expiry port, because it expires baskets by itself', {
  skip: withoutRedis,
}, async () => {
  await using adapters = await open({ REDIS_URL: redisUrl })
  assert.equal(adapters.ports.expiry, undefined)
})

test('an error thrown by an event subscriber is logged once, and the other subscribers receive the event', async () => {
  await using folder = await ownFolder()
  const { logger, lines } = recordingLogger()
  await using adapters = await open({ DATA_DIR: folder.path }, logger)
  const { events } = adapters.ports
  const seen: BasketEvent[] = []
  events.subscribe(() => {
    throw new Error('the subscriber is broken')
  })
  events.subscribe((event) => seen.push(event))
  const event = { type: 'basket_expired', basketId: 'basket-1', lines: 2 } as const
  events.publish([event, event])
  assert.deepEqual(seen, [event, event])
  const errors = lines.filter(({ level }) => level === 50)
  assert.equal(errors.length, 1)
  assert.equal(errors[0]?.['msg'], 'event subscriber failed')
  assert.match(JSON.stringify(errors[0]?.['err']), /the subscriber is broken/)
})
