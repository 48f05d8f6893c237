import assert from 'node:assert/strict'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownDatabase, query, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { startPostgresServer, withoutPostgresPrograms } from '@shop/testing/stores/postgres-cluster.ts'
import { postgresUser } from '@shop/testing/stores/postgres-user.ts'
import { smallDisk, withoutMounts } from '@shop/testing/stores/small-disk.ts'
import { holdLocks } from '../support/locks.ts'
import { openService } from '../support/service.ts'

type Service = Awaited<ReturnType<typeof openService>>

const payload = { name: 'Desk Lamp', price: 34.5 }
const create = ({ send }: Service, description = '') =>
  send({ method: 'POST', url: '/products', payload: { ...payload, description } })
const untilHealthy = ({ health }: Service) =>
  eventually(20_000, async () => assert.equal((await health()).status, 'healthy'))

/** Asserts that the service is degraded but ready, with only `postgres-writes` down, for this reason. */
const untilDegraded = async (service: Service, reason: RegExp) => {
  await eventually(20_000, async () => {
    const { status, checks } = await service.health()
    assert.equal(status, 'degraded')
    assert.match(checks['postgres-writes'].reason, reason)
    assert.equal(checks.postgres.status, 'up')
  })
  assert.ok(await service.isReady())
  const scrape = await service.scrape()
  assert.match(scrape, /^dependency_up\{dependency="postgres-writes".*\} 0$/m)
  assert.match(scrape, /^service_ready\{.*\} 1$/m)
}

/** The messages about the check, in order, with their reasons. */
const checkLog = ({ lines }: Service): string[] =>
  lines
    .filter(({ check }) => check === 'postgres-writes')
    .map(({ msg, reason }) => [msg, reason].filter(Boolean).join(': '))

/** Changes a setting of the database, and ends its sessions, so that new ones have the setting. */
const setReadOnly = async (name: string, value: 'on' | 'off') => {
  await query(`alter database ${name} set default_transaction_read_only = ${value}`)
  await query(`select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`)
}

test('while the database is read-only, the service serves reads, is degraded, and says why once', {
  skip: withoutPostgres,
}, async () => {
  await using database = await ownDatabase()
  {
    await using service = await openService({ DATABASE_URL: database.url })
    await untilHealthy(service)
    assert.equal((await create(service)).statusCode, 201)
    const logged = checkLog(service).length

    await setReadOnly(database.name, 'on')
    const reason = /refuses writes: it is read-only/
    await untilDegraded(service, reason)
    await untilDegraded(service, reason)
    assert.equal((await service.send({ url: '/products/1' })).statusCode, 200)
    assert.equal((await create(service)).statusCode, 503)

    await setReadOnly(database.name, 'off')
    await untilHealthy(service)
    assert.equal((await create(service)).statusCode, 201)
    const log = checkLog(service).slice(logged)
    assert.equal(log.filter((line) => reason.test(line)).length, 1)
    assert.equal(log.at(-1), 'health check passing again')
  }
  await setReadOnly(database.name, 'on')
  await using service = await openService({ DATABASE_URL: database.url })
  await untilDegraded(service, /refuses writes: it is read-only/)
  assert.equal((await service.send({ url: '/products/1' })).statusCode, 200)
})

test('a write that waits for a lock for long degrades the service', { skip: withoutPostgres }, async () => {
  await using database = await ownDatabase()
  await using service = await openService({ DATABASE_URL: database.url })
  await untilHealthy(service)
  // Creating an index takes this lock.
  await using lock = await holdLocks(database.url, 'lock table products in share mode')
  const { status, checks } = await service.health()
  assert.deepEqual([status, checks['postgres-writes'].status], ['degraded', 'down'])
  await lock.release()
  await untilHealthy(service)
})

/** Creates products until one is refused. Returns that response. */
const fillDisk = async (service: Service) => {
  const description = 'x'.repeat(1_500)
  for (let n = 0; n < 2_000; n++) {
    const response = await create(service, description)
    if (response.statusCode !== 201) return response
  }
  throw new Error('the disk is not full yet')
}

/** Asserts that a full disk degrades the service until `free` has freed space. */
const assertDegradedWhileFull = async (service: Service, free: () => Promise<unknown>) => {
  assert.equal((await fillDisk(service)).statusCode, 503)
  await untilDegraded(service, /refuses writes: its disk is full/)
  assert.equal((await service.send({ url: '/products/1' })).statusCode, 200)
  await free()
  assert.equal((await create(service)).statusCode, 201)
  await untilHealthy(service)
}

test('while the disk of the database is full, the service serves reads and is degraded', {
  skip: withoutPostgresPrograms || withoutMounts,
}, async () => {
  await using disk = await smallDisk(1_024, postgresUser())
  await using server = await startPostgresServer()
  await using service = await openService({ DATABASE_URL: server.url })
  await untilHealthy(service)
  await query(`create tablespace small location '${disk.folder}'`, server.url)
  await query('alter table products set tablespace small', server.url)
  await assertDegradedWhileFull(service, () =>
    query('alter table products set tablespace pg_default', server.url),
  )
  await query('drop tablespace small', server.url)
})

test('while the disk of the embedded database is full, the service serves reads and is degraded', {
  skip: withoutMounts,
}, async () => {
  await using disk = await smallDisk(96 * 1_024)
  const ballast = join(disk.folder, 'ballast')
  await using service = await openService({ STORAGE: 'embedded', DATA_DIR: disk.folder })
  await untilHealthy(service)
  const { bavail, bsize } = await statfs(disk.folder)
  await writeFile(ballast, Buffer.alloc(bavail * bsize - 256 * 1_024))
  await assertDegradedWhileFull(service, () => rm(ballast))
})
