import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Environment } from '@shop/platform/config/variables.ts'
import { defaultLimits, mebibyte } from '@shop/platform/limits/limits.ts'
import { tlsVariables } from '@shop/platform/tls/config.ts'
import { assertValidSchema } from '@shop/testing/asserts/schema.ts'
import { productVariables, readConfig } from '../src/config.ts'
import { postgresConfigOf } from './support/config.ts'

/** Every variable of a PostgreSQL deployment, set to a non-default value if there is one. */
const allVariables = {
  PORT: '9090',
  OPERATIONS_PORT: '9092',
  GRPC_PORT: '9091',
  ENVIRONMENT: 'staging',
  AUTH: 'jwt',
  AUTH_ISSUER: 'https://issuer.example',
  AUTH_AUDIENCE: 'shop',
  AUTH_JWKS_URL: 'https://issuer.example/jwks',
  AUTH_TYP: 'JWT',
  AUDIT_KEY: 'an audit key of at least 32 bytes',
  STORAGE: 'postgres',
  LOG_LEVEL: 'warn',
  LOG_FORMAT: 'text',
  LOG_OUTPUT: 'both',
  LOG_DIR: '/var/log/shop',
  LOG_FILE: 'shop.log',
  SHUTDOWN_DELAY_SECONDS: '12',
  DOCS: 'off',
  RELATED_DOCS_URL: 'https://baskets.example/docs',
  CURRENCY: 'USD',
  COMPRESSION: 'off',
  CORS_ORIGINS: 'https://shop.example',
  TRUST_PROXY: 'loopback,10.0.0.0/8',
  MAX_CONNECTIONS: '5000',
  MAX_CONNECTIONS_PER_CLIENT: '50',
  MAX_REQUEST_MIB: '16',
  MAX_RESPONSE_MIB: '32',
  MAX_CALLS: '300',
  RATE_LIMIT_READS: '1000',
  RATE_LIMIT_WRITES: 'off',
  MAX_EVENT_LOOP_DELAY_MS: '250',
  HOST: 'localhost',
  HSTS_MAX_AGE_SECONDS: '3600',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_TIMEOUT: '100',
  OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x',
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
  it('uses the engine that STORAGE names; by default PostgreSQL in production or if a server is named, otherwise the embedded engine', () => {
    assert.equal(kindOf({}), 'embedded')
    assert.equal(kindOf({ DB_HOST: 'localhost' }), 'postgres')
    assert.equal(kindOf({ DATABASE_URL: 'postgres://host/db' }), 'postgres')
    assert.equal(kindOf({ ENVIRONMENT: 'production', AUTH: 'off', DB_PASSWORD: '' }), 'postgres')
    assert.equal(kindOf({ STORAGE: 'embedded', DB_HOST: 'localhost' }), 'embedded')
    assert.equal(kindOf({ STORAGE: 'postgres' }), 'postgres')
  })

  it('has a default for every variable', () => {
    assert.deepEqual(readConfig({}), {
      http: {
        host: 'localhost',
        port: 8080,
        operationsPort: undefined,
        localNamesOnly: true,
        docs: true,
        relatedDocs: 'http://localhost:8081/docs',
        compression: true,
        corsOrigins: '*',
        trustProxy: 'loopback',
        maxEventLoopDelayMs: 1_000,
        hstsMaxAgeSeconds: 0,
      },
      grpc: { port: 50_050, reflection: true, trustProxy: 'loopback' },
      auth: { mode: 'off', isProduction: false },
      currency: 'EUR',
      audit: undefined,
      tls: undefined,
      limits: defaultLimits,
      rates: { reads: undefined, writes: undefined },
      logging: {
        level: 'debug',
        format: 'text',
        output: 'console',
        folder: './logs',
        file: 'product-service.log',
        secrets: ['AUDIT_KEY', 'OTEL_EXPORTER_OTLP_HEADERS', 'DATABASE_URL', 'DB_PASSWORD', 'DB_REPLICA_URL'],
      },
      tracing: undefined,
      shutdown: { delayMs: 0 },
      workers: 1,
      unencrypted: [],
      production: false,
      storage: { kind: 'embedded', folder: join('.data', 'products'), samples: true },
    })
  })

  it('maps each variable to its setting', () => {
    assert.deepEqual(readConfig(allVariables), {
      http: {
        host: 'localhost',
        port: 9_090,
        operationsPort: 9_092,
        localNamesOnly: false,
        docs: false,
        relatedDocs: 'https://baskets.example/docs',
        compression: false,
        corsOrigins: 'https://shop.example',
        trustProxy: 'loopback,10.0.0.0/8',
        maxEventLoopDelayMs: 250,
        hstsMaxAgeSeconds: 3_600,
      },
      grpc: { port: 9_091, reflection: false, trustProxy: 'loopback,10.0.0.0/8' },
      tls: undefined,
      auth: {
        mode: 'jwt',
        apiKeysFile: undefined,
        tokens: {
          issuer: 'https://issuer.example',
          audience: 'shop',
          typ: 'JWT',
          keys: { kind: 'url', url: 'https://issuer.example/jwks' },
          allowHttp: false,
        },
      },
      currency: 'USD',
      audit: {
        key: 'an audit key of at least 32 bytes',
        file: { folder: '/var/log/shop', name: 'shop.audit.log' },
      },
      rates: { reads: 1_000, writes: undefined },
      limits: {
        ...defaultLimits,
        maxConnections: 5_000,
        maxConnectionsPerClient: 50,
        maxCalls: 300,
        maxRequestBytes: 16 * mebibyte,
        maxResponseBytes: 32 * mebibyte,
      },
      logging: {
        level: 'warn',
        format: 'text',
        output: 'both',
        folder: '/var/log/shop',
        file: 'shop.log',
        secrets: ['AUDIT_KEY', 'OTEL_EXPORTER_OTLP_HEADERS', 'DATABASE_URL', 'DB_PASSWORD', 'DB_REPLICA_URL'],
      },
      tracing: {
        endpoint: 'http://collector:4318',
        timeoutMs: 100,
        headers: 'authorization=Bearer%20x',
        environment: 'staging',
        serviceName: 'shop',
        sampler: 'traceidratio',
        samplerRatio: 0.25,
      },
      shutdown: { delayMs: 12_000 },
      workers: 1,
      unencrypted: [],
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
    const others = names.filter((name) => !Object.hasOwn(allVariables, name))
    assert.deepEqual(
      others.toSorted(),
      [
        'API_KEYS_FILE',
        'AUTH_JWKS_FILE',
        'DATABASE_URL',
        'DATA_DIR',
        'WORKERS',
        ...Object.keys(tlsVariables),
      ].toSorted(),
      'these variables are covered by the tests below, or those of the platform',
    )
  })

  it('connects to localhost without TLS and migrates the database by default', () => {
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

  it('uses DATABASE_URL instead of DB_HOST, DB_PORT and the other parts of the address', () => {
    const url = 'postgres://user:password@host:5433/db'
    const { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME } = allVariables
    const parts = { DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME }
    assert.deepEqual(postgresConfigOf({ ...parts, DATABASE_URL: url }).address, { url })
  })

  it('accepts a port, or several hosts, in DB_HOST', () => {
    const hostsOf = (DB_HOST: string) => {
      const { user, password, database, ...hosts } = {
        ...postgresConfigOf({ DB_HOST, DB_PORT: '5440' }).address,
      } as Record<string, unknown>
      assert.deepEqual([user, password, database], ['postgres', '', 'obs_tools'])
      return hosts
    }
    assert.deepEqual(hostsOf('a:5433'), { host: 'a', port: 5_433 })
    assert.deepEqual(hostsOf('::1'), { host: '::1', port: 5_440 })
    assert.deepEqual(hostsOf('/var/run/postgresql'), { host: '/var/run/postgresql', port: 5_440 })
    const hosts = [
      { host: 'a', port: 5_440 },
      { host: '::1', port: 5_433 },
    ]
    assert.deepEqual(hostsOf('a,[::1]:5433'), { host: 'a', port: 5_440, hosts })
  })

  it('accepts several hosts in DATABASE_URL, as libpq does', () => {
    const end = '/db?sslmode=require&target_session_attrs=read-write'
    const hosts = [
      { host: 'a', port: 5_433 },
      { host: 'b', port: 5_432 },
    ]
    assert.deepEqual(postgresConfigOf({ DATABASE_URL: `postgres://u:p@a:5433,b${end}` }).address, {
      url: `postgres://u:p@a:5433${end}`,
      hosts,
    })
    const url = `postgres://u:p@a:5433${end}`
    assert.deepEqual(postgresConfigOf({ DATABASE_URL: url }).address, { url })
  })

  it('refuses a malformed list of hosts, other target_session_attrs, and a list of replicas', () => {
    const rule =
      /must (be|name) at most 16 hosts, separated by commas, each with an optional port from 1 to 65535: a,b:5433/
    const refuses = (variables: Record<string, string>, message: RegExp) =>
      assert.throws(() => readConfig(variables), { exitCode: 78, message })
    for (const list of ['a,', 'a, b', 'a:0', 'a:65536,b', 'a:b', Array(17).fill('a').join(',')]) {
      refuses({ DB_HOST: list }, new RegExp(`DB_HOST ${rule.source}`))
      if (list.includes(','))
        refuses({ DATABASE_URL: `postgres://u:p@${list}/db` }, new RegExp(`DATABASE_URL ${rule.source}`))
    }
    for (const hosts of ['a', 'a,b'])
      for (const attributes of ['any', 'primary', 'standby', 'read-only', ''])
        refuses(
          { DATABASE_URL: `postgres://${hosts}/db?target_session_attrs=${attributes}` },
          /DATABASE_URL must not have a target_session_attrs other than read-write/,
        )
    refuses({ DATABASE_URL: 'postgres://a,b' }, /DATABASE_URL must name a database/)
    refuses(
      { DATABASE_URL: 'postgres://x/db?host=a,b' },
      /DATABASE_URL must list its hosts before the database/,
    )
    for (const list of ['a,b', 'a:5432,b:5432'])
      refuses({ DB_HOST: 'a', DB_REPLICA_URL: `postgres://${list}/db` }, /DB_REPLICA_URL must name one host/)
  })

  it('stores embedded data in DATA_DIR, and adds samples except in production', () => {
    const embedded = { STORAGE: 'embedded', DATA_DIR: '/var/lib/shop' }
    const folder = join('/var/lib/shop', 'products')
    assert.deepEqual(readConfig(embedded).storage, { kind: 'embedded', folder, samples: true })
    const inProduction = readConfig({ ...embedded, ENVIRONMENT: 'production', AUTH: 'off' })
    assert.deepEqual(inProduction.storage, { kind: 'embedded', folder, samples: false })
    assert.equal(inProduction.production, true)
  })

  it('parses off and on as booleans', () => {
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
        COMPRESSION: state,
      }
      const { storage, grpc, http } = readConfig(variables)
      assert.ok(storage.kind === 'postgres')
      assert.deepEqual(
        [storage.postgres.pgBouncer, storage.migrate, grpc.reflection, http.docs, http.compression],
        [isOn, isOn, isOn, isOn, isOn],
      )
    }
  })

  it('lists in production what other machines it talks to without encryption', () => {
    const unencrypted = (environment: Environment) =>
      readConfig({ ENVIRONMENT: 'production', AUTH: 'off', DB_PASSWORD: '', ...environment }).unencrypted
    const primary = (...hosts: string[]) => [{ target: 'PostgreSQL', hosts }]
    const url = 'postgres://u:p@db'
    for (const [environment, expected] of [
      [{ DB_HOST: 'db' }, primary('db')],
      [{ DB_HOST: 'a,localhost,b:5433,127.0.0.1' }, primary('a', 'b')],
      [{ DB_HOST: '192.0.2.1' }, primary('192.0.2.1')],
      [{ DATABASE_URL: `${url}/shop` }, primary('db')],
      [{ DATABASE_URL: `${url},b:5433/shop` }, primary('db', 'b')],
      [{ DATABASE_URL: `${url}/shop?sslmode=disable`, DB_SSLMODE: 'require' }, primary('db')],
      [{ DATABASE_URL: `${url}/shop?sslmode=require` }, []],
      [{ DATABASE_URL: `${url}/shop?sslmode=verify-full&sslrootcert=/missing` }, []],
      [{ DATABASE_URL: 'postgres://u@localhost/shop?host=/run/postgresql' }, []],
      [{ DATABASE_URL: `${url}/shop?host=/run/postgresql` }, []],
      [{ DB_HOST: 'db', DB_SSLMODE: 'require' }, []],
      [{ DB_HOST: 'db', DB_SSLMODE: 'verify-full' }, []],
      [{ DB_HOST: '/run/postgresql' }, []],
      [{}, []],
      [{ DB_HOST: '::1' }, []],
      [
        { DB_REPLICA_URL: 'postgres://u@replica/shop' },
        [{ target: 'PostgreSQL replica', hosts: ['replica'] }],
      ],
      [{ DB_REPLICA_URL: 'postgres://u@replica/shop', DB_SSLMODE: 'require' }, []],
      [{ STORAGE: 'embedded', DB_HOST: 'db' }, []],
      [
        { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' },
        [{ target: 'OTLP collector', hosts: ['collector'] }],
      ],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4318' }, []],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://[::1]:4318' }, []],
    ] as const)
      assert.deepEqual(unencrypted(environment), expected, JSON.stringify(environment))
    assert.deepEqual(readConfig({ ENVIRONMENT: 'staging', DB_HOST: 'db' }).unencrypted, [])
  })

  it('has no server reflection in production, unless it is asked for', () => {
    const production = { ENVIRONMENT: 'production', AUTH: 'off', DB_PASSWORD: '' }
    assert.equal(readConfig(production).grpc.reflection, false)
    assert.equal(readConfig({ ...production, REFLECTION: 'on' }).grpc.reflection, true)
    assert.equal(readConfig({ ENVIRONMENT: 'staging' }).grpc.reflection, true)
  })

  it('requires DB_PASSWORD to be set in production, although it may be empty', () => {
    const production = { ENVIRONMENT: 'production', AUTH: 'off' }
    assert.throws(() => readConfig(production), /DB_PASSWORD must be set in production/)
    assert.doesNotThrow(() => readConfig({ ...production, DB_PASSWORD: '' }))
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'staging' }))
  })

  it('refuses several workers with embedded storage or a log file, and an invalid number of workers', () => {
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

  it('accepts CORS origins and refuses malformed ones', () => {
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

  it('requires different ports for HTTP and gRPC', () => {
    assert.throws(() => readConfig({ PORT: '9090', GRPC_PORT: '9090' }), /PORT and GRPC_PORT must differ/)
  })

  it('requires different ports for operations and the rest', () => {
    assert.throws(() => readConfig({ OPERATIONS_PORT: '50050' }), /OPERATIONS_PORT and GRPC_PORT must differ/)
    assert.throws(() => readConfig({ OPERATIONS_PORT: '8080' }), /OPERATIONS_PORT and PORT must differ/)
    assert.equal(readConfig({ OPERATIONS_PORT: '9080' }).http.operationsPort, 9_080)
  })

  it('requires a database in the URLs, and ignores DB_NAME and the name of the user', () => {
    for (const name of ['DATABASE_URL', 'DB_REPLICA_URL'])
      for (const url of [
        'postgres://user@host',
        'postgres://user@host:5432/',
        'postgres://user@host?sslmode=require',
      ])
        assert.throws(() => readConfig({ [name]: url, DB_NAME: 'shop', DB_HOST: 'host' }), {
          message: new RegExp(`${name} must name a database, as in postgres://`),
          exitCode: 78,
        })
  })

  it('shows examples without a user, which the output of programs would leave out', () => {
    for (const url of ['postgres://host', 'postgres://host/db?host=a,b', 'mysql://host'])
      assert.throws(
        () => readConfig({ DATABASE_URL: url }),
        ({ message }: Error) => !/:\/\/\S*@/.test(message),
      )
  })

  it('reports every problem at once and reveals no secrets', () => {
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

it('the schema of the variables is valid', () => assertValidSchema(productVariables))
