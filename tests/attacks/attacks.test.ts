import { after, before, describe, it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { abandonedLists } from './rows/abandoned-lists.ts'
import { connections } from './rows/connections.ts'
import { distinctLists } from './rows/distinct-lists.ts'
import { endlessBodies } from './rows/endless-bodies.ts'
import { abandonedRoutes, manyRoutes, unreadRoutes } from './rows/every-route.ts'
import { everyRpc } from './rows/every-rpc.ts'
import { fewDescriptors } from './rows/few-descriptors.ts'
import { hotProduct } from './rows/hot-product.ts'
import { keptConnections } from './rows/kept-connections.ts'
import { expensiveReads } from './rows/limits/expensive-reads.ts'
import { inventedCredentials } from './rows/limits/invented-credentials.ts'
import { inventedGuests } from './rows/limits/invented-guests.ts'
import { longPages } from './rows/long-pages.ts'
import { fullRedis, newBaskets } from './rows/new-baskets.ts'
import { scrapes } from './rows/scrapes.ts'
import { unreadCalls } from './rows/unread-calls.ts'
import { unreadResponses } from './rows/unread-responses.ts'
import { validRequests } from './rows/valid-requests.ts'
import { isLong, needsLinux } from './support/form.ts'
import { type GuardedShop, startGuardedShop } from './support/guarded-shop.ts'
import { assertWithstood } from './support/measured.ts'
import { reportTable } from './support/report.ts'
import type { Row } from './support/row.ts'
import { type Shop, startShop } from './support/shop.ts'
import { openStage, type Stage } from './support/stage.ts'

const calm: Row = { name: 'Calm', attacks: [{ name: 'No attack', run: async () => '' }] }

const rows: readonly Row[] = [
  validRequests,
  calm,
  abandonedLists,
  unreadCalls,
  unreadResponses,
  connections,
  keptConnections,
  longPages,
  newBaskets,
  fullRedis,
  distinctLists,
  endlessBodies,
  fewDescriptors,
  hotProduct,
  scrapes,
  abandonedRoutes,
  unreadRoutes,
  manyRoutes,
  ...everyRpc,
]

/** On services that ask who their callers are, and limit what each uses. */
const guardedRows: readonly Row<GuardedShop>[] = [inventedCredentials, inventedGuests, expensiveReads]

/** Each attack as a row of its own. */
const attacksOf = <Place extends Shop>(row: Row<Place>): Row<Place>[] =>
  row.attacks.map((attack) => ({ ...row, name: attack.name, attacks: [attack] }))

const skip = needsLinux || withoutPostgres || withoutOwnRedis

/** Runs the rows on the same services. */
const onOneStage = <Place extends Shop>(
  title: string,
  start: () => Promise<Place>,
  together: readonly Row<Place>[],
) => {
  describe(title, { skip }, () => {
    let stage: (Stage<Place> & AsyncDisposable) | undefined
    before(async () => {
      stage = await openStage(start)
    })
    after(() => stage?.[Symbol.asyncDispose]())
    for (const row of together)
      it(row.name, async () => {
        if (stage !== undefined) await assertWithstood(row, stage)
      })
  })
}

describe('an innocent client is served as before under attack', () => {
  if (!isLong) {
    onOneStage('by few', startShop, rows)
    onOneStage('by few who invent who they are', startGuardedShop, guardedRows)
  } else {
    for (const row of rows) {
      if (row.shared === true) onOneStage(row.name, startShop, attacksOf(row))
      // The memory that one attack leaves behind does not count for the next.
      else for (const attack of attacksOf(row)) onOneStage(row.name, startShop, [attack])
    }
    for (const row of guardedRows)
      for (const attack of attacksOf(row)) onOneStage(row.name, startGuardedShop, [attack])
  }
  after(() => void (isLong && process.stdout.write(`\n${reportTable()}\n`)))
})
