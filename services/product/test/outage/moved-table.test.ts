import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { openService } from '../support/service.ts'

/** Sends the requests again and again, each in a loop of its own. Returns their statuses until disposal. */
const startLoad = ({ send }: Awaited<ReturnType<typeof openService>>, urls: readonly string[]) => {
  const statuses: number[] = []
  const stop = new AbortController()
  const loop = async (url: string) => {
    while (!stop.signal.aborted) {
      statuses.push((await send({ url })).statusCode)
      await delay(2)
    }
  }
  const loops = urls.map(loop)
  return {
    statuses,
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

const urls = ['', '/1', '?sort=price', '?sort=-name', '/top-3', '/low-stock-9'].map(
  (path) => `/products${path}`,
)

test('under load, a service follows a table that moves to another schema of the search_path', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  await using service = await openService({ DATABASE_URL: database.url })
  await eventually(20_000, async () => assert.ok(await service.isReady()))
  await service.send({ method: 'POST', url: '/products', payload: { name: 'x', price: 1 } })
  await using load = startLoad(service, urls)
  // All sessions are older than a second, so a failure ends them.
  await delay(1_500)
  assert.deepEqual([...new Set(load.statuses)], [200])

  await query('create schema other; alter table products set schema other', database.url)
  await eventually(20_000, async () => assert.equal(load.statuses.at(-1), 503))
  await query(`alter database ${database.name} set search_path = other`)
  const moved = load.statuses.length
  // Connections that found no table before the setting changed are tried again when they are a second old.
  await eventually(10_000, async () => {
    assert.ok(load.statuses.length >= moved + 60)
    assert.deepEqual([...new Set(load.statuses.slice(-60))], [200])
  })
  assert.ok(await service.isReady())
})
