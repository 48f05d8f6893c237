import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { ConfigError, type Environment, port, readVariables } from '../../src/config/variables.ts'
import { serviceSections } from '../../src/process/service-config.ts'
import { serviceProblems, serviceVariables } from '../../src/process/service-variables.ts'

const schema = Type.Object({ PORT: port(8080), ...serviceVariables })

const sectionsOf = (environment: Environment) =>
  serviceSections('test-service', readVariables(schema, environment, serviceProblems), ['DB_PASSWORD'])

describe('the sections of a configuration', () => {
  it('default to text logs from level debug and no shutdown delay in development', () => {
    assert.deepEqual(sectionsOf({}), {
      http: {
        host: '::',
        port: 8080,
        docs: true,
        compression: true,
        corsOrigins: '*',
        maxEventLoopDelayMs: 1_000,
        hstsMaxAgeSeconds: 0,
      },
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

  it('default to JSON logs from level info and a shutdown delay of 5 s in staging and production', () => {
    for (const ENVIRONMENT of ['staging', 'production']) {
      const { logging, shutdown } = sectionsOf({ ENVIRONMENT })
      assert.deepEqual([logging.level, logging.format, shutdown.delayMs], ['info', 'json', 5_000])
    }
  })

  it('take the values of set variables in any environment', () => {
    const { http, logging, shutdown, workers } = sectionsOf({
      ENVIRONMENT: 'production',
      HOST: '127.0.0.1',
      PORT: '9090',
      DOCS: 'off',
      COMPRESSION: 'off',
      CORS_ORIGINS: 'https://shop.example',
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
      docs: false,
      compression: false,
      corsOrigins: 'https://shop.example',
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
      environment: 'development',
      serviceName: undefined,
      sampler: 'parentbased_always_on',
      samplerRatio: 1,
    })
    const { tracing } = sectionsOf({
      ENVIRONMENT: 'staging',
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_TIMEOUT: '100',
      OTEL_SERVICE_NAME: 'shop',
      OTEL_TRACES_SAMPLER: 'traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    })
    assert.deepEqual(tracing, {
      endpoint,
      timeoutMs: 100,
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
      HOST: '::',
      ENVIRONMENT: 'development',
      DATA_DIR: './.data',
      LOG_OUTPUT: 'console',
      LOG_DIR: './logs',
      WORKERS: '1',
      DOCS: 'on',
      COMPRESSION: 'on',
      HSTS_MAX_AGE_SECONDS: 0,
      CORS_ORIGINS: '*',
      MAX_EVENT_LOOP_DELAY_MS: 1_000,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_TIMEOUT: 3_000,
      OTEL_TRACES_SAMPLER: 'parentbased_always_on',
      OTEL_TRACES_SAMPLER_ARG: '1',
    })
  })

  const problems = (environment: Environment) => {
    try {
      readVariables(Type.Object(serviceVariables), environment, serviceProblems)
      return []
    } catch (error) {
      assert.ok(error instanceof ConfigError)
      return error.message.split('\n').slice(1)
    }
  }

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
})
