import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { createLogger } from '@shop/platform/logging/logger.ts'
import { basketVariables, readConfig as readBasketConfig } from '../services/basket/src/config.ts'
import { productVariables, readConfig as readProductConfig } from '../services/product/src/config.ts'

/** String variables that may appear in logs. All others count as secrets: add new harmless variables here. */
const harmless = new Set([
  'API_KEYS_FILE',
  'AUTH_AUDIENCE',
  'AUTH_ISSUER',
  'AUTH_JWKS_FILE',
  'AUTH_JWKS_URL',
  'AUTH_TYP',
  'CORS_ORIGINS',
  'CURRENCY',
  'DATA_DIR',
  'DB_HOST',
  'DB_NAME',
  'DB_SSLROOTCERT',
  'DB_USER',
  'HOST',
  'LOG_DIR',
  'LOG_FILE',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_SERVICE_NAME',
  'OTEL_TRACES_SAMPLER_ARG',
  'PRODUCT_SERVICE_CA_FILE',
  'PRODUCT_SERVICE_CERT_FILE',
  'PRODUCT_SERVICE_KEY_FILE',
  'PRODUCT_SERVICE_TOKEN_FILE',
  'PRODUCT_SERVICE_URL',
  'RATE_LIMIT_READS',
  'RATE_LIMIT_WRITES',
  'REDIS_CLUSTER_NODES',
  'REDIS_HOST',
  'REDIS_TLS_CA',
  'REDIS_USERNAME',
  'TLS_CERT_FILE',
  'TLS_CLIENT_CA_FILE',
  'TLS_KEY_FILE',
  'TRUST_PROXY',
  'WORKERS',
])

const services = [
  { service: 'product', variables: productVariables.properties, readConfig: readProductConfig },
  { service: 'basket', variables: basketVariables.properties, readConfig: readBasketConfig },
]
type Service = (typeof services)[number]

const stringVariablesOf = ({ variables }: Service): string[] =>
  Object.entries(variables)
    .filter(([, schema]) => 'type' in schema && schema.type === 'string')
    .map(([name]) => name)

/** A string that identifies the value of a variable in the log. */
const markerOf = (name: string) => `value-of-${name.toLowerCase()}`

const valueOf = (name: string): string =>
  name.endsWith('_URL') && !harmless.has(name)
    ? `scheme://user:${markerOf(name)}@host:1234/place`
    : markerOf(name)

/**
 * Logs every value as a field, a nested field and an error property, and every URL also in messages, causes and
 * a deeply nested field. Returns the log.
 */
const logEverything = async (service: Service, LOG_FORMAT: 'json' | 'text'): Promise<string> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-log-'))
  const { logging } = service.readConfig({ LOG_FORMAT, LOG_OUTPUT: 'file', LOG_DIR: folder.path })
  const logger = await createLogger({ service: 'test-service' }, logging)
  const names = stringVariablesOf(service)
  const values = Object.fromEntries(names.map((name) => [name, valueOf(name)]))
  logger.info(values, 'top-level fields')
  logger.info({ config: values }, 'nested fields')
  logger.error({ err: Object.assign(new Error('no config'), values) }, 'properties of an error')
  for (const url of names.filter((name) => name.endsWith('_URL')).map(valueOf)) {
    logger.info(`connecting to ${url}`)
    logger.error(
      { err: new Error(`cannot reach ${url}`, { cause: new Error(`no response from ${url}`) }) },
      'failed',
    )
    logger.warn({ address: { of: { the: { store: url } } } }, 'deeply nested field')
  }
  await tick()
  return globSync(`${folder.path}/*`)
    .map((path) => readFileSync(path, 'utf8'))
    .join('')
}

describe('the log contains no credentials or connection strings, even if the configuration is logged', () => {
  for (const service of services)
    for (const format of ['json', 'text'] as const)
      it(`in the ${service.service} service, in ${format} format`, async () => {
        const names = stringVariablesOf(service)
        assert.ok(names.length > 10)
        const log = await logEverything(service, format)
        for (const name of names)
          assert.equal(log.includes(markerOf(name)), harmless.has(name), `${name} in the log`)
        assert.match(log, /cannot reach scheme:\/\/\[Redacted\]@host:1234\/place/)
      })
})
