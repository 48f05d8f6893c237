import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sql } from 'kysely'
import { silentLogger } from '../../../tests/support/logger.ts'
import { startCluster, withoutPostgresPrograms } from '../../../tests/support/postgres-cluster.ts'
import { readConfig } from '../src/config.ts'
import { openPostgres } from '../src/infrastructure/database.ts'

it('DB_SSLMODE means what it means to libpq', { skip: withoutPostgresPrograms }, async () => {
  await using cluster = await startCluster({ tls: true })
  const { certificate } = cluster

  const isEncrypted = async (
    variables: Record<string, string>,
    host = '127.0.0.1',
  ): Promise<boolean | undefined> => {
    const address = { DB_HOST: host, DB_PORT: String(cluster.port), DB_NAME: 'postgres' }
    await using database = openPostgres(readConfig({ ...address, ...variables }), silentLogger)
    const query = sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
    return (await query.execute(database)).rows[0]?.ssl
  }

  assert.equal(await isEncrypted({}), false)
  assert.equal(await isEncrypted({ DB_SSLMODE: 'disable' }), false)
  assert.equal(await isEncrypted({ DB_SSLMODE: 'require' }), true)
  assert.equal(await isEncrypted({ DB_SSLMODE: 'verify-full', DB_SSLROOTCERT: certificate }), true)
  assert.equal(await isEncrypted({ DB_SSLMODE: 'require', DB_SSLROOTCERT: certificate }, 'localhost'), true)
  await assert.rejects(isEncrypted({ DB_SSLMODE: 'verify-full' }), /self.signed/)
  await assert.rejects(
    isEncrypted({ DB_SSLMODE: 'verify-full', DB_SSLROOTCERT: certificate }, 'localhost'),
    /altnames/,
  )

  const withUrl = (mode: string) => isEncrypted({ DATABASE_URL: `${cluster.url}?sslmode=${mode}` })
  assert.equal(await withUrl('disable'), false)
  assert.equal(await withUrl('require'), true)
  await assert.rejects(withUrl('verify-full'), /self.signed/)
  assert.throws(
    () => readConfig({ DB_HOST: 'x', DB_SSLROOTCERT: '/nowhere' }),
    /DB_SSLROOTCERT must name a file/,
  )
})
