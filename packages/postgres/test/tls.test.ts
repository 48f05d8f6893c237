import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { startCluster, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { sql } from 'kysely'
import type { PostgresAddress, PostgresTls } from '../src/address.ts'
import { openPostgres } from '../src/database.ts'

it('TLS modes behave as in libpq', { skip: withoutPostgresPrograms }, async () => {
  await using cluster = await startCluster({ tls: true })
  const { certificate: rootCertificate } = cluster

  const isEncrypted = async (tls: PostgresTls, address: PostgresAddress): Promise<boolean | undefined> => {
    const common = { applicationName: 'test', poolSize: 1, pgBouncer: false, replicaUrl: undefined }
    await using database = openPostgres({ ...common, address, tls }, silentLogger)
    const query = sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
    return (await query.execute(database)).rows[0]?.ssl
  }
  const on = (host: string, mode: PostgresTls['mode'], root?: string) => {
    const { port } = cluster
    const address = { host, port, user: 'postgres', password: '', database: 'postgres' }
    return isEncrypted({ mode, rootCertificate: root }, address)
  }

  assert.equal(await on('127.0.0.1', 'disable'), false)
  assert.equal(await on('127.0.0.1', 'require'), true)
  assert.equal(await on('127.0.0.1', 'verify-full', rootCertificate), true)
  assert.equal(await on('localhost', 'require', rootCertificate), true)
  await assert.rejects(on('127.0.0.1', 'verify-full'), /self.signed/)
  await assert.rejects(on('localhost', 'verify-full', rootCertificate), /altnames/)

  const withUrl = (mode: string) =>
    isEncrypted({ mode: 'disable', rootCertificate: undefined }, { url: `${cluster.url}?sslmode=${mode}` })
  assert.equal(await withUrl('disable'), false)
  assert.equal(await withUrl('require'), true)
  await assert.rejects(withUrl('verify-full'), /self.signed/)
})
