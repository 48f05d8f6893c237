import { AppError } from '@shop/kernel/errors.ts'
import { isBusy, type Sqlite } from '@shop/platform/embedded/sqlite.ts'
import { decorate } from '@shop/platform/pipeline.ts'
import { nextVersion } from '../domain/basket.ts'
import type { BasketRepository } from '../domain/basket-repository.ts'
import { decodeBasket, encodeBasket } from './basket-record.ts'

/** How many expired baskets one sweep removes at most: it runs in the process that serves. */
const sweepBatch = 500

const schema = `
  pragma journal_mode = wal;
  create table if not exists baskets (user_id text primary key, record text not null, expires_at integer not null);
  create index if not exists baskets_expires_at on baskets (expires_at);
`

/**
 * Makes what a new file lacks. To switch it to WAL while another process writes, as one that makes it too does, is
 * refused at once, whatever the timeout: so this tries for a second.
 */
const prepareFile = (sqlite: Sqlite): void => {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  for (let attempt = 1; ; attempt++) {
    try {
      return sqlite.exec(schema)
    } catch (error) {
      if (!isBusy(error) || attempt === 100) throw error
      Atomics.wait(clock, 0, 0, 10)
    }
  }
}

/** The repository, with a lock that could not be had in time as `unavailable`. */
const withAvailability = (repository: BasketRepository): BasketRepository =>
  decorate(repository, async (_name, call) => {
    try {
      return await call()
    } catch (error) {
      if (isBusy(error)) throw new AppError('unavailable', 'too many others are writing', { cause: error })
      throw error
    }
  })

/** Baskets in an SQLite file, which several processes may share. Writers wait for each other; readers do not. */
export const sqliteBasketRepository = (sqlite: Sqlite, ttlSeconds: number): BasketRepository => {
  prepareFile(sqlite)
  const select = sqlite.prepare('select record from baskets where user_id = ? and expires_at > ?')
  const upsert = sqlite.prepare(`
    insert into baskets (user_id, record, expires_at) values (?, ?, ?)
    on conflict (user_id) do update set record = excluded.record, expires_at = excluded.expires_at
  `)
  const remove = sqlite.prepare('delete from baskets where user_id = ?')

  const find = (userId: string) => {
    const row = select.get(userId, Date.now())
    return row === undefined ? undefined : decodeBasket(String(row['record']))
  }

  return withAvailability({
    find: async (userId) => find(userId),

    update: async (userId, change) => {
      sqlite.exec('begin immediate')
      try {
        const stored = find(userId)
        const changed = change(stored)
        const next = changed === stored ? changed : changed && nextVersion(changed, ttlSeconds, new Date())
        if (next === undefined) remove.run(userId)
        else if (next !== stored) upsert.run(userId, encodeBasket(next), next.expiresAt.getTime())
        sqlite.exec('commit')
        // A basket stays one and `undefined` stays `undefined`.
        return next as typeof changed
      } catch (error) {
        sqlite.exec('rollback')
        throw error
      }
    },
  })
}

/** Removes some of the baskets that have expired, in one bounded batch. Returns their records. */
export const sweepExpired = (sqlite: Sqlite): string[] =>
  sqlite
    .prepare(
      'delete from baskets where user_id in (select user_id from baskets where expires_at <= ? order by expires_at limit ?) returning record',
    )
    .all(Date.now(), sweepBatch)
    .map(({ record }) => String(record))
