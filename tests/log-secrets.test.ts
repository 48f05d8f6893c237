import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createLogger } from '@shop/platform/logging/logger.ts'
import { basketVariables, readConfig as readBasketConfig } from '../services/basket/src/config.ts'
import { productVariables, readConfig as readProductConfig } from '../services/product/src/config.ts'

/** Variables of free text that may be seen in a log. Any other one is taken for a secret: a new one is to be decided on. */
const harmless = new Set([
  'CORS_ORIGINS',
  'DATA_DIR',
  'DB_HOST',
  'DB_NAME',
  'DB_SSLROOTCERT',
  'DB_USER',
  'LOG_DIR',
  'LOG_FILE',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_SERVICE_NAME',
  'OTEL_TRACES_SAMPLER_ARG',
  'PRODUCT_SERVICE_URL',
  'REDIS_CLUSTER_NODES',
  'REDIS_HOST',
  'REDIS_TLS_CA',
  'REDIS_USERNAME',
  'WORKERS',
])

const services = [
  { service: 'product', variables: productVariables.properties, readConfig: readProductConfig },
  { service: 'basket', variables: basketVariables.properties, readConfig: readBasketConfig },
]
type Service = (typeof services)[number]

/** The variables that hold text. */
const textsOf = ({ variables }: Service): string[] =>
  Object.entries(variables)
    .filter(([, schema]) => 'type' in schema && schema.type === 'string')
    .map(([name]) => name)

/** What marks the value of a variable, wherever it turns up. */
const mark = (name: string) => `value-of-${name.toLowerCase()}`

const valueOf = (name: string): string =>
  name.endsWith('_URL') && !harmless.has(name) ? `scheme://user:${mark(name)}@host:1234/place` : mark(name)

/** Everything that is written when every value is logged in every way that code of ours may think of. */
const loggedText = async (service: Service, LOG_FORMAT: 'json' | 'text'): Promise<string> => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-log-'))
  const { logging } = service.readConfig({ LOG_FORMAT, LOG_OUTPUT: 'file', LOG_DIR: folder.path })
  const logger = await createLogger({ service: 'test-service' }, logging)
  const texts = textsOf(service)
  const values = Object.fromEntries(texts.map((name) => [name, valueOf(name)]))
  logger.info(values, 'alone')
  logger.info({ config: values }, 'within')
  logger.error({ err: Object.assign(new Error('no config'), values) }, 'in an error')
  for (const url of texts.filter((name) => name.endsWith('_URL')).map(valueOf)) {
    logger.info(`connecting to ${url}`)
    logger.error(
      { err: new Error(`cannot reach ${url}`, { cause: new Error(`no answer from ${url}`) }) },
      'failed',
    )
    logger.warn({ address: { of: { the: { store: url } } } }, 'deep inside')
  }
  await turn()
  return globSync(`${folder.path}/*`)
    .map((path) => readFileSync(path, 'utf8'))
    .join('')
}

describe('the log', () => {
  for (const service of services)
    for (const format of ['json', 'text'] as const)
      it(`of the ${service.service} service in ${format} has no credential and no connection string, whatever of the configuration is logged`, async () => {
        const texts = textsOf(service)
        assert.ok(texts.length > 10)
        const text = await loggedText(service, format)
        for (const name of texts)
          assert.equal(text.includes(mark(name)), harmless.has(name), `${name} in the log`)
        assert.match(text, /cannot reach scheme:\/\/\[Redacted\]@host:1234\/place/)
      })
})
