import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { sql } from 'kysely'
import type { PostgresAddress, PostgresTls } from '../src/address.ts'
import { openPostgres } from '../src/database.ts'

it('in every TLS mode, connections encrypt and verify the server as libpq does', {
  skip: withoutPostgresPrograms,
}, async () => {
  await using server = await startPostgresServer({ tls: true })
  const { certificate: rootCertificate } = server

  const isEncrypted = async (tls: PostgresTls, address: PostgresAddress): Promise<boolean | undefined> => {
    const common = { applicationName: 'test', poolSize: 1, pgBouncer: false, replicaUrl: undefined }
    await using database = openPostgres({ ...common, address, tls }, silentLogger)
    const query = sql<{ ssl: boolean }>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
    return (await query.execute(database)).rows[0]?.ssl
  }
  const isEncryptedOn = (host: string, mode: PostgresTls['mode'], root?: string) => {
    const { port } = server
    const address = { host, port, user: 'postgres', password: '', database: 'postgres' }
    return isEncrypted({ mode, rootCertificate: root }, address)
  }

  assert.equal(await isEncryptedOn('127.0.0.1', 'disable'), false)
  assert.equal(await isEncryptedOn('127.0.0.1', 'require'), true)
  assert.equal(await isEncryptedOn('127.0.0.1', 'verify-full', rootCertificate), true)
  assert.equal(await isEncryptedOn('localhost', 'require', rootCertificate), true)
  await assert.rejects(isEncryptedOn('127.0.0.1', 'verify-full'), /self.signed/)
  await assert.rejects(isEncryptedOn('localhost', 'verify-full', rootCertificate), /altnames/)

  const isEncryptedWithUrl = (mode: string, root?: string) =>
    isEncrypted({ mode: 'disable', rootCertificate: root }, { url: `${server.url}?sslmode=${mode}` })
  assert.equal(await isEncryptedWithUrl('disable'), false)
  assert.equal(await isEncryptedWithUrl('require'), true)
  await assert.rejects(isEncryptedWithUrl('verify-full'), /self.signed/)

  // The root certificate of the variable counts for a URL that sets only the mode.
  assert.equal(await isEncryptedWithUrl('disable', rootCertificate), false)
  assert.equal(await isEncryptedWithUrl('require', rootCertificate), true)
  await using folder = await mkdtempDisposable(join(tmpdir(), 'other-authority-'))
  const other = await makeCertificate(folder.path, 'IP:127.0.0.1')
  await assert.rejects(isEncryptedWithUrl('require', other.certificate), /self.signed/)
})
