import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readConfig } from '../src/config.ts'

describe("the product service's configuration", () => {
  it('uses PostgreSQL when one is named, and in production; else the embedded engine', () => {
    assert.equal(readConfig({}).STORAGE, 'embedded')
    assert.equal(readConfig({ DB_HOST: 'localhost' }).STORAGE, 'postgres')
    assert.equal(readConfig({ DATABASE_URL: 'postgres://host/db' }).STORAGE, 'postgres')
    assert.equal(readConfig({ ENVIRONMENT: 'production', DB_PASSWORD: '' }).STORAGE, 'postgres')
    assert.equal(readConfig({ STORAGE: 'embedded', DB_HOST: 'localhost' }).STORAGE, 'embedded')
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
        /LOG_OUTPUT must be console with several WORKERS/,
      )
    }
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
      assert.throws(() => readConfig({ CORS_ORIGINS }), /CORS_ORIGINS must be \*, off, or origins/)
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
