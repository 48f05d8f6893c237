import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Environment } from '@shop/platform/config/variables.ts'
import { defaultLimits, mebibyte } from '@shop/platform/limits/limits.ts'
import { tlsVariables } from '@shop/platform/tls/config.ts'
import { assertValidSchema } from '@shop/testing/asserts/schema.ts'
import { root } from '@shop/testing/files.ts'
import { basketVariables, readConfig } from '../src/config.ts'
import { ownFolder } from './support/baskets.ts'
import { redisConfigOf } from './support/redis-config.ts'

const certificateAuthority = import.meta.filename

/** Not the value of a token, but a file that has one in its only line. */
const tokenFile = join(root, '.node-version')

/**
 * Variables that can be set together, each with a value that differs from the default if the variable allows
 * another one. The variables left out conflict with one of these or override it.
 */
const combinableVariables = {
  PORT: '8099',
  OPERATIONS_PORT: '9099',
  ENVIRONMENT: 'staging',
  AUTH: 'jwt',
  AUTH_ISSUER: 'https://issuer.example',
  AUTH_AUDIENCE: 'shop',
  AUTH_JWKS_URL: 'https://issuer.example/jwks',
  AUTH_TYP: 'JWT',
  AUDIT_KEY: 'an audit key of at least 32 bytes',
  DATA_DIR: './elsewhere',
  LOG_LEVEL: 'warn',
  LOG_FORMAT: 'text',
  LOG_OUTPUT: 'both',
  LOG_DIR: './lines',
  LOG_FILE: 'lines.log',
  SHUTDOWN_DELAY_SECONDS: '7',
  DOCS: 'off',
  RELATED_DOCS_URL: 'https://products.example/docs',
  CURRENCY: 'USD',
  COMPRESSION: 'off',
  CORS_ORIGINS: 'https://shop.example,http://localhost:3000',
  TRUST_PROXY: 'loopback,10.0.0.0/8',
  MAX_CONNECTIONS: '5000',
  MAX_CONNECTIONS_PER_CLIENT: '50',
  MAX_REQUEST_MIB: '16',
  MAX_RESPONSE_MIB: '32',
  RATE_LIMIT_READS: '1000',
  RATE_LIMIT_WRITES: 'off',
  MAX_EVENT_LOOP_DELAY_MS: '250',
  HOST: '::1',
  HSTS_MAX_AGE_SECONDS: '3600',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_EXPORTER_OTLP_TIMEOUT: '1500',
  OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x',
  OTEL_SERVICE_NAME: 'baskets',
  OTEL_TRACES_SAMPLER: 'traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.25',
  STORAGE: 'redis',
  REDIS_HOST: 'redis.example',
  REDIS_PORT: '6380',
  REDIS_USERNAME: 'ann',
  REDIS_PASSWORD: 'a secret',
  REDIS_DB: '3',
  REDIS_TLS: 'on',
  REDIS_TLS_CA: certificateAuthority,
  BASKET_WAIT_REPLICAS: '2',
  BASKET_TTL_SECONDS: '90',
  NEW_BASKETS_PER_HOUR: '500',
  PRODUCT_SERVICE_URL: 'product:50051',
  GUESTS: 'off',
  PRODUCT_SERVICE_TOKEN_FILE: tokenFile,
}

describe("the basket service's configuration", () => {
  it('has defaults for variables that are not set', () => {
    assert.deepEqual(readConfig({}), {
      http: {
        host: 'localhost',
        port: 8081,
        operationsPort: undefined,
        localNamesOnly: true,
        docs: true,
        relatedDocs: 'http://localhost:8080/docs',
        compression: true,
        corsOrigins: '*',
        trustProxy: 'loopback',
        maxEventLoopDelayMs: 1_000,
        hstsMaxAgeSeconds: 0,
      },
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
        file: 'basket-service.log',
        secrets: ['AUDIT_KEY', 'OTEL_EXPORTER_OTLP_HEADERS', 'REDIS_URL', 'REDIS_PASSWORD'],
      },
      tracing: undefined,
      shutdown: { delayMs: 0 },
      workers: 1,
      unencrypted: [],
      storage: { kind: 'embedded', file: '.data/baskets.sqlite' },
      ttlSeconds: 86_400,
      newBasketsPerHour: 3_000,
      guests: true,
      productService: { address: 'localhost:50050', token: undefined, tls: undefined },
    })
    assert.deepEqual(redisConfigOf({ STORAGE: 'redis' }), {
      clientName: 'basket-service',
      storeName: 'the basket store',
      target: { host: 'localhost', port: 6379, database: 0 },
      username: undefined,
      password: undefined,
      tls: false,
      certificateAuthority: undefined,
      waitReplicas: 0,
    })
    const endpoint = 'http://collector:4318'
    assert.deepEqual(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).tracing, {
      endpoint,
      timeoutMs: 3_000,
      headers: undefined,
      environment: 'development',
      serviceName: undefined,
      sampler: 'parentbased_always_on',
      samplerRatio: 1,
    })
  })

  it('has other defaults outside development', () => {
    for (const ENVIRONMENT of ['staging', 'production']) {
      const { logging, shutdown } = readConfig({ ENVIRONMENT, AUTH: 'off', REDIS_PASSWORD: '' })
      assert.deepEqual([logging.level, logging.format], ['info', 'json'])
      assert.deepEqual(shutdown, { delayMs: 5_000 })
    }
  })

  it('lists in production what other machines it talks to without encryption', () => {
    const unencrypted = (environment: Environment) =>
      readConfig({ ENVIRONMENT: 'production', AUTH: 'off', REDIS_PASSWORD: '', ...environment }).unencrypted
    const redis = (...hosts: string[]) => [{ target: 'Redis', hosts }]
    const products = (...hosts: string[]) => [{ target: 'product service', hosts }]
    for (const [environment, expected] of [
      [{}, []],
      [{ REDIS_HOST: 'redis' }, redis('redis')],
      [{ REDIS_HOST: 'redis', REDIS_TLS: 'on' }, []],
      [{ REDIS_HOST: '127.0.0.1' }, []],
      [{ REDIS_URL: 'redis://:secret@redis:6379/0' }, redis('redis')],
      [{ REDIS_URL: 'rediss://:secret@redis:6379/0' }, []],
      [{ REDIS_URL: 'redis://[::1]:6379' }, []],
      [{ REDIS_CLUSTER_NODES: 'a:7000,localhost:7001,[2001:db8::1]:7002' }, redis('a', '2001:db8::1')],
      [{ REDIS_CLUSTER_NODES: 'a:7000,b:7001', REDIS_TLS: 'on' }, []],
      [{ STORAGE: 'embedded', REDIS_HOST: 'redis' }, []],
      [{ PRODUCT_SERVICE_URL: 'product:50050' }, products('product')],
      [{ PRODUCT_SERVICE_URL: 'a:50050,localhost:50050,b:50050' }, products('a', 'b')],
      [{ PRODUCT_SERVICE_URL: 'dns:///product:50050' }, products('product')],
      [{ PRODUCT_SERVICE_URL: 'https://product:443' }, []],
      [{ PRODUCT_SERVICE_URL: 'dns+https:///product:443' }, []],
      [{ PRODUCT_SERVICE_URL: '[::1]:50050' }, []],
    ] as const)
      assert.deepEqual(unencrypted(environment), expected, JSON.stringify(environment))
    assert.deepEqual(readConfig({ ENVIRONMENT: 'staging', REDIS_HOST: 'redis' }).unencrypted, [])
    const withToken = { PRODUCT_SERVICE_URL: 'product:50050', PRODUCT_SERVICE_TOKEN_FILE: tokenFile }
    const target = 'product service, with the token in PRODUCT_SERVICE_TOKEN_FILE'
    assert.deepEqual(unencrypted(withToken), [{ target, hosts: ['product'] }])
  })

  it('reads every variable that can be set together with the others', () => {
    assert.deepEqual(readConfig(combinableVariables), {
      http: {
        host: '::1',
        port: 8099,
        operationsPort: 9_099,
        localNamesOnly: false,
        docs: false,
        relatedDocs: 'https://products.example/docs',
        compression: false,
        corsOrigins: 'https://shop.example,http://localhost:3000',
        trustProxy: 'loopback,10.0.0.0/8',
        maxEventLoopDelayMs: 250,
        hstsMaxAgeSeconds: 3_600,
      },
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
        file: { folder: './lines', name: 'lines.audit.log' },
      },
      rates: { reads: 1_000, writes: undefined },
      limits: {
        ...defaultLimits,
        maxConnections: 5_000,
        maxConnectionsPerClient: 50,
        maxRequestBytes: 16 * mebibyte,
        maxResponseBytes: 32 * mebibyte,
      },
      logging: {
        level: 'warn',
        format: 'text',
        output: 'both',
        folder: './lines',
        file: 'lines.log',
        secrets: ['AUDIT_KEY', 'OTEL_EXPORTER_OTLP_HEADERS', 'REDIS_URL', 'REDIS_PASSWORD'],
      },
      tracing: {
        endpoint: 'http://collector:4318',
        timeoutMs: 1_500,
        headers: 'authorization=Bearer%20x',
        environment: 'staging',
        serviceName: 'baskets',
        sampler: 'traceidratio',
        samplerRatio: 0.25,
      },
      shutdown: { delayMs: 7_000 },
      workers: 1,
      unencrypted: [],
      storage: {
        kind: 'redis',
        redis: {
          clientName: 'basket-service',
          storeName: 'the basket store',
          target: { host: 'redis.example', port: 6380, database: 3 },
          username: 'ann',
          password: 'a secret',
          tls: true,
          certificateAuthority,
          waitReplicas: 2,
        },
      },
      ttlSeconds: 90,
      newBasketsPerHour: 500,
      guests: false,
      productService: {
        address: 'product:50051',
        token: { variable: 'PRODUCT_SERVICE_TOKEN_FILE', path: tokenFile },
        tls: undefined,
      },
    })
  })

  it('reads the variables that conflict with others or override them', () => {
    const embedded = { ...combinableVariables, STORAGE: 'embedded', LOG_OUTPUT: 'console', WORKERS: '3' }
    assert.deepEqual(readConfig(embedded), {
      ...readConfig(combinableVariables),
      logging: { ...readConfig(combinableVariables).logging, output: 'console' },
      audit: { key: combinableVariables.AUDIT_KEY, file: undefined },
      workers: 3,
      storage: { kind: 'embedded', file: 'elsewhere/baskets.sqlite' },
    })
    assert.equal(readConfig({ WORKERS: 'auto' }).workers, availableParallelism())

    const redis = redisConfigOf(combinableVariables)
    // An empty variable counts as not set.
    const withoutAddress = { ...combinableVariables, REDIS_HOST: '', REDIS_DB: '' }
    const url = 'rediss://redis.example:6381/4'
    assert.deepEqual(redisConfigOf({ ...withoutAddress, REDIS_URL: url }), { ...redis, target: { url } })
    assert.deepEqual(redisConfigOf({ ...withoutAddress, REDIS_CLUSTER_NODES: 'a:7000,b:7001' }), {
      ...redis,
      target: {
        nodes: [
          { host: 'a', port: 7_000 },
          { host: 'b', port: 7_001 },
        ],
      },
    })
  })

  it('has no variable that neither the two tests above nor those in other files read', () => {
    const others = ['WORKERS', 'REDIS_URL', 'REDIS_CLUSTER_NODES', 'API_KEYS_FILE', 'AUTH_JWKS_FILE']
    const certificates = ['PRODUCT_SERVICE_CA_FILE', 'PRODUCT_SERVICE_CERT_FILE', 'PRODUCT_SERVICE_KEY_FILE']
    const ofFiles = [...Object.keys(tlsVariables), ...certificates]
    const tested = [...Object.keys(combinableVariables), ...ofFiles, ...others]
    assert.deepEqual(tested.toSorted(), Object.keys(basketVariables.properties).toSorted())
  })

  it('prefers REDIS_URL to the host, port and database', () => {
    const { target } = redisConfigOf({ ...combinableVariables, REDIS_URL: 'rediss://other.example' })
    assert.deepEqual(target, { url: 'rediss://other.example' })
  })

  it('uses the engine that STORAGE names; by default Redis in production or if an address is set, otherwise the embedded engine', () => {
    assert.equal(readConfig({}).storage.kind, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: '' }).storage.kind, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: 'localhost' }).storage.kind, 'redis')
    assert.equal(readConfig({ REDIS_URL: 'rediss://host:6380/3' }).storage.kind, 'redis')
    assert.equal(readConfig({ REDIS_CLUSTER_NODES: 'host:7000' }).storage.kind, 'redis')
    assert.equal(
      readConfig({ ENVIRONMENT: 'production', AUTH: 'off', REDIS_PASSWORD: '' }).storage.kind,
      'redis',
    )
    assert.equal(readConfig({ STORAGE: 'embedded', REDIS_HOST: 'localhost' }).storage.kind, 'embedded')
    assert.equal(readConfig({ STORAGE: 'redis' }).storage.kind, 'redis')
  })

  it('in production, requires REDIS_PASSWORD, which may be empty, unless REDIS_URL is set', () => {
    const message = /REDIS_PASSWORD must be set in production/
    assert.throws(() => readConfig({ ENVIRONMENT: 'production', AUTH: 'off' }), message)
    assert.throws(
      () => readConfig({ ENVIRONMENT: 'production', AUTH: 'off', REDIS_CLUSTER_NODES: 'host:7000' }),
      message,
    )
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', AUTH: 'off', REDIS_PASSWORD: '' }))
    assert.doesNotThrow(() =>
      readConfig({ ENVIRONMENT: 'production', AUTH: 'off', REDIS_URL: 'redis://:x@host' }),
    )
  })

  it('reads at most 100 cluster nodes, each with a host and a port, and rejects anything else', () => {
    const addresses = 'redis-1.example:7000,10.0.0.1:7001,[2001:db8::1]:65535'
    assert.deepEqual(redisConfigOf({ REDIS_CLUSTER_NODES: addresses }).target, {
      nodes: [
        { host: 'redis-1.example', port: 7000 },
        { host: '10.0.0.1', port: 7001 },
        { host: '2001:db8::1', port: 65_535 },
      ],
    })
    const nodes = (count: number) => Array(count).fill('host:7000').join()
    assert.doesNotThrow(() => readConfig({ REDIS_CLUSTER_NODES: nodes(100) }))
    const message =
      'Invalid configuration:\n' +
      '  - REDIS_CLUSTER_NODES must be host:port,host:port,… with at most 100 nodes'
    for (const invalid of [
      'host',
      'host:',
      ':7000',
      'host:65536',
      'host:70000',
      'host:0',
      'a:1,,b:2',
      'a:1 b:2',
      'redis://a:1',
      nodes(101),
    ])
      assert.throws(() => readConfig({ REDIS_CLUSTER_NODES: invalid }), { message }, invalid)
  })

  it('rejects variables that cannot be combined, and names them', () => {
    const cluster = { REDIS_CLUSTER_NODES: 'host:7000' }
    const readWithCluster = (variables: Readonly<Record<string, string>>) => () =>
      readConfig({ ...cluster, ...variables })
    assert.throws(
      readWithCluster({ REDIS_URL: 'redis://host' }),
      /REDIS_CLUSTER_NODES .* together with REDIS_URL/,
    )
    assert.throws(readWithCluster({ REDIS_HOST: 'host' }), /REDIS_CLUSTER_NODES .* together with REDIS_HOST/)
    for (const REDIS_HOST of ['a,b', 'a:6379', 'redis://a'])
      assert.throws(() => readConfig({ REDIS_HOST }), /REDIS_HOST must be one host without a port/)
    for (const REDIS_HOST of ['::1', 'a.example'])
      assert.equal(readConfig({ REDIS_HOST }).storage.kind, 'redis')
    assert.throws(readWithCluster({ REDIS_DB: '1' }), /REDIS_DB must be 0 with REDIS_CLUSTER_NODES/)
    assert.throws(
      () => readConfig({ REDIS_URL: 'redis://host', REDIS_TLS: 'on' }),
      /REDIS_URL must begin with rediss:/,
    )
    assert.doesNotThrow(() => readConfig({ REDIS_URL: 'rediss://host', REDIS_TLS: 'on' }))
  })

  it('rejects a REDIS_TLS_CA that names no file', () => {
    assert.throws(() => readConfig({ REDIS_TLS_CA: '/nowhere' }), /REDIS_TLS_CA must name an existing file/)
  })

  it('rejects a PRODUCT_SERVICE_TOKEN_FILE that has no token, without its content', () => {
    const message =
      'Invalid configuration:\n' +
      '  - PRODUCT_SERVICE_TOKEN_FILE must name a file with one API key or token in one line: at most 8192 letters, digits and - . _ ~ + / ='
    assert.throws(() => readConfig({ PRODUCT_SERVICE_TOKEN_FILE: import.meta.filename }), { message })
    assert.throws(
      () => readConfig({ PRODUCT_SERVICE_TOKEN_FILE: '/nowhere' }),
      /PRODUCT_SERVICE_TOKEN_FILE must name an existing file/,
    )
  })

  it('lists every problem, and never prints a value', () => {
    const variables = {
      PORT: '0',
      REDIS_URL: 'redis://secret@host/abc',
      PRODUCT_SERVICE_URL: 'http://localhost:50050',
      BASKET_TTL_SECONDS: '1.5',
      DATA_DIR: import.meta.filename,
    }
    assert.throws(
      () => readConfig(variables),
      ({ message }: Error) => {
        for (const name of Object.keys(variables)) assert.match(message, new RegExp(`- ${name} must`))
        return !message.includes('secret')
      },
    )
  })

  it('rejects a DATA_DIR or LOG_DIR below a file, or in place of a link to nowhere', async () => {
    await using folder = await ownFolder()
    const link = join(folder.path, 'link')
    await symlink(join(folder.path, 'missing', 'target'), link)
    for (const path of [`${import.meta.filename}/x`, `${import.meta.filename}/x/y`, link, `${link}/x`])
      for (const name of ['DATA_DIR', 'LOG_DIR'])
        assert.throws(() => readConfig({ [name]: path }), {
          message: new RegExp(`${name} must name a folder`),
          exitCode: 78,
        })
    for (const path of [folder.path, join(folder.path, 'new', 'folder'), 'new', '.'])
      assert.doesNotThrow(() => readConfig({ DATA_DIR: path }))
  })

  it('rejects paths that cannot be examined', async () => {
    const path = `/${'x'.repeat(300)}`
    assert.throws(() => readConfig({ DATA_DIR: path }), /DATA_DIR must name a folder/)
    assert.throws(() => readConfig({ REDIS_TLS_CA: path }), /REDIS_TLS_CA must name an existing file/)
  })

  it('rejects a REDIS_URL that cannot be parsed', () => {
    assert.throws(() => readConfig({ REDIS_URL: 'redis://host:99999' }), /REDIS_URL must be a URL/)
  })
})

it('the schema of the variables is valid', () => assertValidSchema(basketVariables))
