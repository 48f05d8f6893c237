import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { openSqlite } from '@shop/platform/embedded/sqlite.ts'
import { recordingLogger, silentLogger } from '@shop/testing/observability/logger.ts'
import { redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'
import { readConfig } from '../../src/config.ts'
import type { BasketEvent } from '../../src/domain/basket-events.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'
import { aBasket, ownFolder } from '../support/baskets.ts'

const open = (variables: Readonly<Record<string, string>>, logger = silentLogger) =>
  openAdapters({ config: readConfig(variables), logger })

/** Just this, and nothing of the database's own words. */
const isBusy = (error: unknown): boolean => {
  assert.ok(error instanceof AppError)
  assert.deepEqual([error.kind, error.message], ['unavailable', 'too many others are writing'])
  return true
}

describe('the adapters of the embedded engine', () => {
  test('are unavailable to who writes or removes while another process writes for seconds', async () => {
    await using folder = await ownFolder()
    await using adapters = await open({ DATA_DIR: folder.path })
    const { baskets, expiry } = adapters.ports
    const stored = await baskets.update('user123', () => aBasket())
    using other = openSqlite(join(folder.path, 'baskets.sqlite'))
    other.exec('update baskets set expires_at = 1')
    other.exec('begin immediate')
    await assert.rejects(
      baskets.update('another', () => aBasket('another')),
      isBusy,
    )
    assert.ok(expiry)
    await assert.rejects(expiry.removeExpired(), isBusy)
    other.exec('rollback')
    assert.deepEqual(await expiry.removeExpired(), [stored])
    assert.equal((await adapters.ports.statistics.read()).expired, 1)
  })
})

test('Redis removes expired baskets by itself', { skip: withoutRedis }, async () => {
  await using adapters = await open({ REDIS_URL: redisUrl })
  assert.equal(adapters.ports.expiry, undefined)
})

test('what a reader of events throws is logged, and keeps the event from nobody', async () => {
  await using folder = await ownFolder()
  const { logger, lines } = recordingLogger()
  await using adapters = await open({ DATA_DIR: folder.path }, logger)
  const { events } = adapters.ports
  const seen: BasketEvent[] = []
  events.subscribe(() => {
    throw new Error('the reader is broken')
  })
  events.subscribe((event) => seen.push(event))
  const event = { type: 'basket_expired', basketId: 'basket-1', lines: 2 } as const
  events.publish([event])
  assert.deepEqual(seen, [event])
  const errors = lines.filter(({ level }) => level === 50)
  assert.equal(errors.length, 1)
  assert.equal(errors[0]?.['msg'], 'event subscriber failed')
  assert.match(JSON.stringify(errors[0]?.['err']), /the reader is broken/)
})
