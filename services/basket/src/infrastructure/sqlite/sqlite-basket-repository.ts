import { type Clock, systemClock } from '@shop/kernel/clock.ts'
import { inTransaction, isBusy, type Sqlite } from '@shop/platform/embedded/sqlite.ts'
import { nextVersion } from '../../domain/basket.ts'
import type { BasketRepository } from '../../domain/basket-repository.ts'
import { rememberedKey } from '../../domain/keyed-writes.ts'
import { decodeBasket, encodeBasket } from '../basket-record.ts'

const schema = `
  pragma journal_mode = wal;
  create table if not exists baskets (user_id text primary key, record text not null, expires_at integer not null);
  create index if not exists baskets_expires_at on baskets (expires_at);
`

/**
 * Creates the schema in a new file. Retries for one second: while another process writes, for example to
 * create the same schema, the switch to WAL fails at once, regardless of the busy timeout.
 */
const prepareFile = (sqlite: Sqlite): void => {
  const sleepCell = new Int32Array(new SharedArrayBuffer(4))
  for (let attempt = 1; ; attempt++) {
    try {
      return sqlite.exec(schema)
    } catch (error) {
      if (!isBusy(error) || attempt === 100) throw error
      Atomics.wait(sleepCell, 0, 0, 10)
    }
  }
}

/** Stores baskets in an SQLite file that processes may share. Writers wait for each other; readers do not. */
export const sqliteBasketRepository = (
  sqlite: Sqlite,
  ttlSeconds: number,
  clock: Clock = systemClock,
): BasketRepository => {
  prepareFile(sqlite)
  const select = sqlite.prepare('select record from baskets where user_id = ? and expires_at > ?')
  const upsert = sqlite.prepare(`
    insert into baskets (user_id, record, expires_at) values (?, ?, ?)
    on conflict (user_id) do update set record = excluded.record, expires_at = excluded.expires_at
  `)
  const remove = sqlite.prepare('delete from baskets where user_id = ?')

  const read = (userId: string): string | undefined => {
    const row = select.get(userId, clock().getTime())
    return row && String(row['record'])
  }
  const find = (userId: string) => {
    const record = read(userId)
    return record === undefined ? undefined : decodeBasket(record)
  }

  return {
    find: async (userId) => find(userId),
    mayRemember: async (userId, key) => read(userId)?.includes(rememberedKey(key)) ?? false,

    update: async (userId, change) =>
      inTransaction(sqlite, () => {
        const stored = find(userId)
        const changed = change(stored)
        const next = changed === stored ? changed : changed && nextVersion(changed, ttlSeconds, clock())
        if (next === undefined) remove.run(userId)
        else if (next !== stored) upsert.run(userId, encodeBasket(next), next.expiresAt.getTime())
        // The cast is safe: `next` is a basket if `changed` is one, otherwise `undefined`.
        return next as typeof changed
      }),
  }
}
