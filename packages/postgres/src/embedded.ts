import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { dataDir as freshDataDir } from '@electric-sql/pglite-prepopulatedfs'
import { lockFolder } from '@shop/platform/embedded/folder-lock.ts'
import type { Metrics } from '@shop/platform/metrics/metrics.ts'
import { Kysely, PGliteDialect } from 'kysely'
import { statementLog } from './statement-log.ts'

/** PostgreSQL in this process, kept in `folder`, which is this process' alone. Throws when another one has it. */
export const openEmbeddedPostgres = async <Tables>(
  folder: string,
  metrics?: Metrics,
): Promise<{ database: Kysely<Tables> } & AsyncDisposable> => {
  const lock = lockFolder(folder)
  // A fresh database is unpacked: to have PGlite make one takes three seconds more.
  const isNew = !existsSync(join(folder, 'PG_VERSION'))
  const pglite = await PGlite.create({ dataDir: folder, ...(isNew && { loadDataDir: await freshDataDir() }) })
  const database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }), ...statementLog(metrics) })
  return {
    database,
    [Symbol.asyncDispose]: async () => {
      await database.destroy()
      if (!pglite.closed) await pglite.close()
      lock[Symbol.dispose]()
    },
  }
}
