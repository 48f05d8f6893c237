import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { productVariables, readConfig } from '../src/config.ts'
import { postgresConfigOf } from './support/config.ts'

/** With PostgreSQL: none of these is the default, except the protocol, which has one value only. */
const everyVariable = {
  PORT: '9090',
  GRPC_PORT: '9091',
  ENVIRONMENT: 'staging',
  STORAGE: 'postgres',
  LOG_LEVEL: 'warn',
  LOG_FORMAT: 'text',
  LOG_OUTPUT: 'both',
  LOG_DIR: '/var/log/shop',
  LOG_FILE: 'shop.log',
  SHUTDOWN_DELAY_SECONDS: '12',
  DOCS: 'off',
  CORS_ORIGINS: 'https://shop.example',
  MAX_EVENT_LOOP_DELAY_MS: '250',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  OTEL_SERVICE_NAME: 'shop',
  OTEL_TRACES_SAMPLER: 'traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.25',
  DB_HOST: 'db.example',
  DB_PORT: '5433',
  DB_USER: 'shop-user',
  DB_PASSWORD: 'shop-secret',
  DB_NAME: 'shop',
  DB_SSLMODE: 'verify-full',
  DB_SSLROOTCERT: import.meta.filename,
  DB_POOL_SIZE: '25',
  DB_PGBOUNCER: 'on',
  DB_REPLICA_URL: 'postgres://replica/shop',
  MIGRATE: 'off',
  REFLECTION: 'off',
}

const kindOf = (variables: Readonly<Record<string, string>>) => readConfig(variables).storage.kind

describe("the product service's configuration", () => {
  it('uses PostgreSQL when one is named, and in production; else the embedded engine', () => {
    assert.equal(kindOf({}), 'embedded')
    assert.equal(kindOf({ DB_HOST: 'localhost' }), 'postgres')
    assert.equal(kindOf({ DATABASE_URL: 'postgres://host/db' }), 'postgres')
    assert.equal(kindOf({ ENVIRONMENT: 'production', DB_PASSWORD: '' }), 'postgres')
    assert.equal(kindOf({ STORAGE: 'embedded', DB_HOST: 'localhost' }), 'embedded')
    assert.equal(kindOf({ STORAGE: 'postgres' }), 'postgres')
  })

  it('needs no variable at all', () => {
    assert.deepEqual(readConfig({}), {
      http: { port: 8080, docs: true, corsOrigins: '*', maxEventLoopDelayMs: 1_000 },
      grpc: { port: 50_050, reflection: true },
      logging: {
        level: 'debug',
        format: 'text',
        output: 'console',
        folder: './logs',
        file: 'product-service.log',
        secrets: ['DATABASE_URL', 'DB_PASSWORD', 'DB_REPLICA_URL'],
      },
      tracing: undefined,
      shutdown: { delayMs: 0 },
      workers: 1,
      production: false,
      storage: { kind: 'embedded', folder: join('.data', 'products'), samples: true },
    })
  })

  it('has each variable in its place', () => {
    assert.deepEqual(readConfig(everyVariable), {
      http: { port: 9_090, docs: false, corsOrigins: 'https://shop.example', maxEventLoopDelayMs: 250 },
      grpc: { port: 9_091, reflection: false },
      logging: {
        level: 'warn',
        format: 'text',
        output: 'both',
        folder: '/var/log/shop',
        file: 'shop.log',
        secrets: ['DATABASE_URL', 'DB_PASSWORD', 'DB_REPLICA_URL'],
      },
      tracing: {
        endpoint: 'http://collector:4318',
        timeoutMs: 100,
        environment: 'staging',
        serviceName: 'shop',
        sampler: 'traceidratio',
        samplerRatio: 0.25,
      },
      shutdown: { delayMs: 12_000 },
      workers: 1,
      production: false,
      storage: {
        kind: 'postgres',
        postgres: {
          applicationName: 'product-service',
          address: {
            host: 'db.example',
            port: 5_433,
            user: 'shop-user',
            password: 'shop-secret',
            database: 'shop',
          },
          tls: { mode: 'verify-full', rootCertificate: import.meta.filename },
          poolSize: 25,
          pgBouncer: true,
          replicaUrl: 'postgres://replica/shop',
        },
        migrate: false,
      },
    })
    const names = Object.keys(productVariables.properties)
    const others = names.filter((name) => !Object.hasOwn(everyVariable, name))
    assert.deepEqual(others.toSorted(), ['DATABASE_URL', 'DATA_DIR', 'WORKERS'], 'the tests below have these')
  })

  it('takes a server to be on this machine, without TLS, and to be migrated, unless told otherwise', () => {
    assert.deepEqual(readConfig({ STORAGE: 'postgres' }).storage, {
      kind: 'postgres',
      postgres: {
        applicationName: 'product-service',
        address: { host: 'localhost', port: 5_432, user: 'postgres', password: '', database: 'obs_tools' },
        tls: { mode: 'disable', rootCertificate: undefined },
        poolSize: 10,
        pgBouncer: false,
        replicaUrl: undefined,
      },
      migrate: true,
    })
  })

  it('finds the server by its URL alone when there is one', () => {
    const url = 'postgres://user:password@host:5433/db'
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME } = everyVariable
    const parts = { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME }
    assert.deepEqual(postgresConfigOf({ ...parts, DATABASE_URL: url }).address, { url })
  })

  it('keeps the embedded engine in DATA_DIR, with samples except in production', () => {
    const embedded = { STORAGE: 'embedded', DATA_DIR: '/var/lib/shop' }
    const folder = join('/var/lib/shop', 'products')
    assert.deepEqual(readConfig(embedded).storage, { kind: 'embedded', folder, samples: true })
    const inProduction = readConfig({ ...embedded, ENVIRONMENT: 'production' })
    assert.deepEqual(inProduction.storage, { kind: 'embedded', folder, samples: false })
    assert.equal(inProduction.production, true)
  })

  it('makes booleans of off and on', () => {
    for (const [state, isOn] of [
      ['off', false],
      ['on', true],
    ] as const) {
      const variables = {
        DB_HOST: 'host',
        DB_PGBOUNCER: state,
        MIGRATE: state,
        REFLECTION: state,
        DOCS: state,
      }
      const { storage, grpc, http } = readConfig(variables)
      assert.ok(storage.kind === 'postgres')
      assert.deepEqual(
        [storage.postgres.pgBouncer, storage.migrate, grpc.reflection, http.docs],
        [isOn, isOn, isOn, isOn],
      )
    }
  })

  it('wants to be told of the password in production, even that there is none', () => {
    assert.throws(() => readConfig({ ENVIRONMENT: 'production' }), /DB_PASSWORD must be set in production/)
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', DB_PASSWORD: '' }))
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'staging' }))
  })

  it('wants one process alone on the embedded engine, and no file of the log for several', () => {
    for (const WORKERS of ['2', 'auto']) {
      assert.throws(() => readConfig({ WORKERS }), /WORKERS must be 1 with embedded storage/)
      assert.doesNotThrow(() => readConfig({ WORKERS, DB_HOST: 'localhost' }))
      assert.throws(
        () => readConfig({ WORKERS, DB_HOST: 'localhost', LOG_OUTPUT: 'both' }),
        /LOG_OUTPUT must be console when WORKERS is not 1/,
      )
    }
    assert.equal(readConfig({ WORKERS: '3', DB_HOST: 'localhost' }).workers, 3)
    for (const WORKERS of ['0', '65', '-1', '1.5', 'all'])
      assert.throws(() => readConfig({ WORKERS, DB_HOST: 'localhost' }), /WORKERS must be a whole number/)
  })

  it('takes origins, and nothing that only looks like some', () => {
    for (const CORS_ORIGINS of ['*', 'off', 'https://a.example', 'https://a.example,http://localhost:3000'])
      assert.doesNotThrow(() => readConfig({ CORS_ORIGINS }))
    for (const CORS_ORIGINS of [
      'a.example',
      'https://a.example/',
      'https://a.example, https://b.example',
      '*,off',
    ])
      assert.throws(
        () => readConfig({ CORS_ORIGINS }),
        /CORS_ORIGINS must be \*, off, or comma-separated origins/,
      )
  })

  it('wants two ports', () => {
    assert.throws(() => readConfig({ PORT: '9090', GRPC_PORT: '9090' }), /PORT and GRPC_PORT must differ/)
  })

  it('lists every problem, and no value', () => {
    const variables = {
      GRPC_PORT: '99999',
      DATABASE_URL: 'postgres://u:secret@host:99999/db',
      DB_REPLICA_URL: 'mysql://secret@host',
      DB_SSLMODE: 'verify-ca',
      DB_SSLROOTCERT: import.meta.dirname,
      LOG_DIR: import.meta.filename,
    }
    assert.throws(
      () => readConfig(variables),
      ({ message }: Error) => {
        for (const name of Object.keys(variables)) assert.match(message, new RegExp(`- ${name} must`))
        return !message.includes('secret')
      },
    )
  })
})
