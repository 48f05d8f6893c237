import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readConfig } from '../src/config.ts'

describe("the basket service's configuration", () => {
  it('uses Redis when one is named, and in production; else the embedded engine', () => {
    assert.equal(readConfig({}).STORAGE, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: '' }).STORAGE, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: 'localhost' }).STORAGE, 'redis')
    assert.equal(readConfig({ REDIS_URL: 'rediss://host:6380/3' }).STORAGE, 'redis')
    assert.equal(readConfig({ ENVIRONMENT: 'production', REDIS_PASSWORD: '' }).STORAGE, 'redis')
    assert.equal(readConfig({ STORAGE: 'embedded', REDIS_HOST: 'localhost' }).STORAGE, 'embedded')
    assert.equal(readConfig({ STORAGE: 'redis' }).STORAGE, 'redis')
  })

  it('wants to be told of the password in production, even that there is none', () => {
    assert.throws(() => readConfig({ ENVIRONMENT: 'production' }), /REDIS_PASSWORD must be set in production/)
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', REDIS_PASSWORD: '' }))
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', REDIS_URL: 'redis://:x@host' }))
  })

  it('lists every problem, and no value', () => {
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
    assert.throws(() => readConfig({ REDIS_URL: 'redis://host:99999' }), /REDIS_URL must be a URL/)
  })

  it('takes one address of the product service, or several', () => {
    for (const address of [
      'product:50050',
      'https://shop.example:443',
      'dns:///product.shop.svc:50050',
      '[::1]:50050',
      'a-1:50050,b_2.shop:65535,10.0.0.3:1',
    ])
      assert.equal(readConfig({ PRODUCT_SERVICE_URL: address }).PRODUCT_SERVICE_URL, address)
  })

  for (const address of [
    'product',
    ':50050',
    'product:0',
    'product:65536',
    'a:1,b:65536',
    'http://product:50050',
    'https://product',
    'https://10.0.0.3:443',
    'https://[::1]:443',
    'https://a:1,b:2',
    'https://a:1,https://b:2',
    'dns:///a:1,b:2',
    'dns://8.8.8.8/product:50050',
    'a:1,',
    'a:1, b:2',
    'product:50050/path',
  ])
    it(`refuses ${address}, and says what forms an address has`, () => {
      assert.throws(() => readConfig({ PRODUCT_SERVICE_URL: address }), {
        message:
          'The configuration cannot be used:\n  - PRODUCT_SERVICE_URL must be ' +
          'host:port, https://name:port, dns:///name:port, or several host:port separated by commas',
      })
    })
})
