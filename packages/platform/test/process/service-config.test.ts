import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { Type } from 'typebox'
import { ConfigError, type Environment, port, readVariables } from '../../src/config/variables.ts'
import { defaultLimits } from '../../src/limits/limits.ts'
import { serviceSections } from '../../src/process/service-config.ts'
import { serviceProblems, serviceVariables } from '../../src/process/service-variables.ts'

const schema = Type.Object({ PORT: port(8080), ...serviceVariables })

const sectionsOf = (environment: Environment) =>
  serviceSections('test-service', readVariables(schema, environment, serviceProblems), ['DB_PASSWORD'], 9090)

describe('the sections of a configuration', () => {
  it('default to text logs from level debug and no shutdown delay in development', () => {
    assert.deepEqual(sectionsOf({}), {
      http: {
        host: 'localhost',
        port: 8080,
        operationsPort: undefined,
        localNamesOnly: true,
        docs: true,
        relatedDocs: 'http://localhost:9090/docs',
        compression: true,
        corsOrigins: '*',
        trustProxy: 'loopback',
        maxEventLoopDelayMs: 1_000,
        hstsMaxAgeSeconds: 0,
      },
      currency: 'EUR',
      auth: { mode: 'off', isProduction: false },
      audit: undefined,
      tls: undefined,
      limits: defaultLimits,
      rates: { reads: undefined, writes: undefined },
      logging: {
        level: 'debug',
        format: 'text',
        output: 'console',
        folder: './logs',
        file: 'test-service.log',
        secrets: ['DB_PASSWORD'],
      },
      tracing: undefined,
      shutdown: { delayMs: 0 },
      workers: 1,
    })
  })

  it('default to JSON logs from level info, a shutdown delay of 5 s and no trusted proxies in staging and production', () => {
    for (const ENVIRONMENT of ['staging', 'production']) {
      const { http, logging, shutdown } = sectionsOf({ ENVIRONMENT, AUTH: 'off' })
      // Outside development, nobody knows where the related service is.
      assert.equal(http.relatedDocs, undefined)
      assert.deepEqual([logging.level, logging.format, shutdown.delayMs], ['info', 'json', 5_000])
      assert.equal(http.trustProxy, 'off')
    }
  })

  it('allow fewer connections with TLS, of which each takes more memory, unless their number is set', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'config-'))
    const { certificate, key } = await makeCertificate(folder.path, 'DNS:localhost')
    const tls = { TLS_CERT_FILE: certificate, TLS_KEY_FILE: key }
    assert.equal(sectionsOf(tls).limits.maxConnections, 1_500)
    assert.equal(sectionsOf({ ...tls, MAX_CONNECTIONS: '9000' }).limits.maxConnections, 9_000)
  })

  it('limit how much a caller may do outside development, unless the limit is off', () => {
    const ratesOf = (environment: Environment) => sectionsOf({ AUTH: 'off', ...environment }).rates
    const usual = { reads: 60_000, writes: 6_000 }
    assert.deepEqual(ratesOf({ ENVIRONMENT: 'staging' }), usual)
    assert.deepEqual(ratesOf({ ENVIRONMENT: 'production' }), usual)
    const production = { ENVIRONMENT: 'production', RATE_LIMIT_READS: 'off', RATE_LIMIT_WRITES: '999999999' }
    assert.deepEqual(ratesOf(production), { reads: undefined, writes: 999_999_999 })
    assert.deepEqual(ratesOf({ RATE_LIMIT_WRITES: '1' }), { reads: undefined, writes: 1 })
    for (const value of ['0', '-1', '1.5', '1000000000', 'on', '1e3'])
      assert.throws(
        () => ratesOf({ RATE_LIMIT_READS: value }),
        (error) =>
          error instanceof ConfigError &&
          /RATE_LIMIT_READS must be off, or a whole number from 1 to 999999999/.test(error.message),
      )
  })

  it('have amounts in EUR, or in another currency with two decimal places', () => {
    assert.equal(sectionsOf({}).currency, 'EUR')
    assert.equal(sectionsOf({ CURRENCY: '' }).currency, 'EUR')
    assert.equal(sectionsOf({ CURRENCY: 'HUF' }).currency, 'HUF')
    const rule = 'CURRENCY must be an ISO 4217 code of a currency with two decimal places, such as EUR or USD'
    for (const [CURRENCY, problem] of [
      ['JPY', `${rule}: JPY has none`],
      ['KWD', `${rule}: KWD has 3`],
      ['usd', rule],
    ] as const)
      assert.throws(
        () => sectionsOf({ CURRENCY }),
        (error) => error instanceof ConfigError && error.exitCode === 78 && error.problems[0] === problem,
      )
  })

  it('listen on localhost and take only local names in development, unless HOST is another address', () => {
    for (const [ENVIRONMENT, HOST, host, localNamesOnly] of [
      ['development', '', 'localhost', true],
      ['development', 'LOCALHOST', 'LOCALHOST', true],
      ['development', '127.0.0.1', '127.0.0.1', true],
      ['development', '::1', '::1', true],
      ['development', '0.0.0.0', '0.0.0.0', false],
      ['development', '::', '::', false],
      ['development', 'shop.example', 'shop.example', false],
      ['staging', '', '::', false],
      ['production', '', '::', false],
      ['production', 'localhost', 'localhost', false],
    ] as const) {
      const { http } = sectionsOf({ ENVIRONMENT, HOST, AUTH: 'off' })
      assert.deepEqual([http.host, http.localNamesOnly], [host, localNamesOnly], `${ENVIRONMENT} ${HOST}`)
    }
  })

  it('show no documentation and take no pages of other origins in production, unless they are asked to', () => {
    for (const [ENVIRONMENT, docs, corsOrigins] of [
      ['development', true, '*'],
      ['staging', true, '*'],
      ['production', false, 'off'],
    ] as const) {
      const { http } = sectionsOf({ ENVIRONMENT, AUTH: 'off', DOCS: '', CORS_ORIGINS: '' })
      assert.deepEqual([http.docs, http.corsOrigins], [docs, corsOrigins], ENVIRONMENT)
    }
    const { http } = sectionsOf({ ENVIRONMENT: 'production', AUTH: 'off', DOCS: 'on', CORS_ORIGINS: '*' })
    assert.deepEqual([http.docs, http.corsOrigins], [true, '*'])
  })

  it('take the values of set variables in any environment', () => {
    const { http, logging, shutdown, workers } = sectionsOf({
      ENVIRONMENT: 'production',
      AUTH: 'off',
      HOST: '127.0.0.1',
      PORT: '9090',
      OPERATIONS_PORT: '9091',
      DOCS: 'off',
      RELATED_DOCS_URL: 'https://shop.example/docs',
      COMPRESSION: 'off',
      CORS_ORIGINS: 'https://shop.example',
      TRUST_PROXY: '10.0.0.0/8',
      MAX_EVENT_LOOP_DELAY_MS: '0',
      HSTS_MAX_AGE_SECONDS: '31536000',
      LOG_LEVEL: 'trace',
      LOG_FORMAT: 'text',
      LOG_OUTPUT: 'both',
      LOG_DIR: '/var/log/shop',
      LOG_FILE: 'shop.log',
      SHUTDOWN_DELAY_SECONDS: '12',
    })
    assert.deepEqual(http, {
      host: '127.0.0.1',
      port: 9090,
      operationsPort: 9091,
      localNamesOnly: false,
      docs: false,
      relatedDocs: 'https://shop.example/docs',
      compression: false,
      corsOrigins: 'https://shop.example',
      trustProxy: '10.0.0.0/8',
      maxEventLoopDelayMs: 0,
      hstsMaxAgeSeconds: 31_536_000,
    })
    assert.deepEqual(logging, {
      level: 'trace',
      format: 'text',
      output: 'both',
      folder: '/var/log/shop',
      file: 'shop.log',
      secrets: ['DB_PASSWORD'],
    })
    assert.equal(shutdown.delayMs, 12_000)
    assert.equal(workers, 1)
  })

  it('include tracing when an OTLP endpoint is set', () => {
    const endpoint = 'http://localhost:4318'
    assert.deepEqual(sectionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).tracing, {
      endpoint,
      timeoutMs: 3_000,
      headers: undefined,
      environment: 'development',
      serviceName: undefined,
      sampler: 'parentbased_always_on',
      samplerRatio: 1,
    })
    const { tracing } = sectionsOf({
      ENVIRONMENT: 'staging',
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: '100',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x',
      OTEL_SERVICE_NAME: 'shop',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    })
    assert.deepEqual(tracing, {
      endpoint,
      timeoutMs: 100,
      headers: 'authorization=Bearer%20x',
      environment: 'staging',
      serviceName: 'shop',
      sampler: 'traceidratio',
      samplerRatio: 0.25,
    })
  })

  it('have the number of workers in WORKERS, or one per processor when it is auto', () => {
    assert.equal(sectionsOf({ WORKERS: '3' }).workers, 3)
    assert.equal(sectionsOf({ WORKERS: 'auto' }).workers, availableParallelism())
  })
})

describe('the configuration', () => {
  it('of a service requires no variables', () => {
    assert.deepEqual(readVariables(Type.Object(serviceVariables), {}), {
      ENVIRONMENT: 'development',
      AUTH_TYP: 'at+jwt',
      DATA_DIR: './.data',
      CURRENCY: 'EUR',
      LOG_OUTPUT: 'console',
      LOG_DIR: './logs',
      WORKERS: '1',
      COMPRESSION: 'on',
      HSTS_MAX_AGE_SECONDS: 0,
      MAX_CONNECTIONS_PER_CLIENT: 200,
      MAX_REQUEST_MIB: 32,
      MAX_RESPONSE_MIB: 64,
      MAX_EVENT_LOOP_DELAY_MS: 1_000,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TIMEOUT: 3_000,
      OTEL_TRACES_SAMPLER: 'parentbased_always_on',
      OTEL_TRACES_SAMPLER_ARG: '1',
    })
  })

  const problems = (environment: Environment) => {
    try {
      readVariables(schema, environment, serviceProblems)
      return []
    } catch (error) {
      assert.ok(error instanceof ConfigError)
      return error.message.split('\n').slice(1)
    }
  }

  it('takes an OPERATIONS_PORT that is a port, and not that of the service', () => {
    for (const [OPERATIONS_PORT, expected] of [
      ['9080', 9080],
      ['', undefined],
    ] as const)
      assert.equal(sectionsOf({ OPERATIONS_PORT }).http.operationsPort, expected)
    assert.deepEqual(problems({ OPERATIONS_PORT: '8080' }), ['  - OPERATIONS_PORT and PORT must differ'])
    assert.deepEqual(problems({ PORT: '9080', OPERATIONS_PORT: '9080' }), [
      '  - OPERATIONS_PORT and PORT must differ',
    ])
    for (const wrong of ['0', '65536', '80.5', 'on', '-1'])
      assert.match(problems({ OPERATIONS_PORT: wrong }).join(), /^ {2}- OPERATIONS_PORT must be /, wrong)
  })

  it('refuses a LOG_FILE that leaves LOG_DIR', () => {
    assert.match(problems({ LOG_FILE: '../shop.log' })[0] ?? '', /^ {2}- LOG_FILE must be the name of a file/)
    assert.deepEqual(problems({ LOG_FILE: 'shop.log' }), [])
  })

  it('takes an IP address or a name as HOST', () => {
    for (const HOST of [
      '::',
      '0.0.0.0',
      '127.0.0.1',
      '::1',
      'fe80::1%eth0',
      'localhost',
      'shop_1.example',
      '',
    ])
      assert.deepEqual(problems({ HOST }), [], HOST)
    for (const HOST of ['[::1]', '1.2.3', '256.1.1.1', '::g', 'a b', 'a/b', 'a:80', 'http://a', '.', 'a..b'])
      assert.deepEqual(
        problems({ HOST }),
        ['  - HOST must be an IP address such as :: or 127.0.0.1, or a host name'],
        HOST,
      )
  })

  it('takes addresses, networks and their names as TRUST_PROXY, and says which entry is none', () => {
    for (const TRUST_PROXY of [
      '',
      'off',
      'loopback,linklocal,uniquelocal',
      '10.0.0.0/8,192.0.2.7',
      '2001:db8::/33,::1,::ffff:10.0.0.1',
    ])
      assert.deepEqual(problems({ TRUST_PROXY }), [], TRUST_PROXY)
    const kinds =
      'must be an IP address, a network such as 10.0.0.0/8, or one of loopback, linklocal, uniquelocal'
    for (const [entry, rule] of [
      ['', kinds],
      ['all', kinds],
      ['off', kinds],
      [' 10.0.0.1', kinds],
      ['proxy.example', kinds],
      ['10.0.0.1:80', kinds],
      ['10.0.0.0/8/8', kinds],
      ['fe80::1%eth0', kinds],
      ['10.0.0.0/255.0.0.0', 'must have a prefix length from 1 to 32'],
      ['10.0.0.0/33', 'must have a prefix length from 1 to 32'],
      ['0.0.0.0/0', 'must have a prefix length from 1 to 32'],
      ['10.0.0.0/', 'must have a prefix length from 1 to 32'],
      ['::/129', 'must have a prefix length from 1 to 128'],
      ['::/1', 'must not contain all IPv4 addresses: write 10.0.0.0/8, not ::ffff:10.0.0.0/8'],
      ['::ffff:10.0.0.0/8', 'must not contain all IPv4 addresses: write 10.0.0.0/8, not ::ffff:10.0.0.0/8'],
      ['::ffff:0:0/96', 'must not contain all IPv4 addresses: write 10.0.0.0/8, not ::ffff:10.0.0.0/8'],
    ] as const)
      assert.deepEqual(
        problems({ TRUST_PROXY: `loopback,${entry}` }),
        [`  - TRUST_PROXY must be off or a comma-separated list: entry 2 of 2 ${rule}`],
        entry,
      )
    assert.deepEqual(problems({ TRUST_PROXY: Array(400).fill('10.0.0.1/32').join(',') }), [
      '  - TRUST_PROXY must have at most 4000 characters',
    ])
  })

  it('of tracing is rejected when invalid, instead of ignored', () => {
    for (const OTEL_TRACES_SAMPLER_ARG of ['0', '0.25', '.5', '1', '1.0'])
      assert.deepEqual(problems({ OTEL_TRACES_SAMPLER_ARG }), [])
    for (const [name, text] of [
      ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
      ['OTEL_TRACES_SAMPLER_ARG', '10%'],
      ['OTEL_TRACES_SAMPLER', 'sometimes'],
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
      ['OTEL_EXPORTER_OTLP_TIMEOUT', '0'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
      ['OTEL_EXPORTER_OTLP_ENDPOINT', 'http://localhost:99999'],
    ] as const)
      assert.match(problems({ [name]: text }).join('\n'), new RegExp(`^ {2}- ${name} must be .*$`), text)
  })

  it('takes a URL of http or https as RELATED_DOCS_URL', () => {
    assert.deepEqual(problems({ RELATED_DOCS_URL: 'http://localhost:9090/docs' }), [])
    for (const RELATED_DOCS_URL of ['javascript:alert(1)', '//shop.example', 'http://a b/docs'])
      assert.match(problems({ RELATED_DOCS_URL }).join('\n'), /^ {2}- RELATED_DOCS_URL must be .*$/)
  })
})
