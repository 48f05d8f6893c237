import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { clusterNodes, readConfig } from '../src/config.ts'

describe("the basket service's configuration", () => {
  it('uses Redis when one is named, and in production; else the embedded engine', () => {
    assert.equal(readConfig({}).STORAGE, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: '' }).STORAGE, 'embedded')
    assert.equal(readConfig({ REDIS_HOST: 'localhost' }).STORAGE, 'redis')
    assert.equal(readConfig({ REDIS_URL: 'rediss://host:6380/3' }).STORAGE, 'redis')
    assert.equal(readConfig({ REDIS_CLUSTER_NODES: 'host:7000' }).STORAGE, 'redis')
    assert.equal(readConfig({ ENVIRONMENT: 'production', REDIS_PASSWORD: '' }).STORAGE, 'redis')
    assert.equal(readConfig({ STORAGE: 'embedded', REDIS_HOST: 'localhost' }).STORAGE, 'embedded')
    assert.equal(readConfig({ STORAGE: 'redis' }).STORAGE, 'redis')
  })

  it('wants to be told of the password in production, even that there is none', () => {
    const secret = /REDIS_PASSWORD must be set in production/
    assert.throws(() => readConfig({ ENVIRONMENT: 'production' }), secret)
    assert.throws(() => readConfig({ ENVIRONMENT: 'production', REDIS_CLUSTER_NODES: 'host:7000' }), secret)
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', REDIS_PASSWORD: '' }))
    assert.doesNotThrow(() => readConfig({ ENVIRONMENT: 'production', REDIS_URL: 'redis://:x@host' }))
  })

  it('takes the nodes of a cluster as hosts and ports', () => {
    assert.deepEqual(clusterNodes('redis-1.example:7000,10.0.0.1:7001,[2001:db8::1]:65535'), [
      { host: 'redis-1.example', port: 7000 },
      { host: '10.0.0.1', port: 7001 },
      { host: '2001:db8::1', port: 65_535 },
    ])
    const nodes = (count: number) => ({ REDIS_CLUSTER_NODES: Array(count).fill('host:7000').join() })
    assert.doesNotThrow(() => readConfig(nodes(100)))
    for (const text of [
      'host',
      'host:',
      ':7000',
      'host:70000',
      'host:0',
      'a:1,,b:2',
      'a:1 b:2',
      'redis://a:1',
    ])
      assert.throws(() => readConfig({ REDIS_CLUSTER_NODES: text }), /- REDIS_CLUSTER_NODES must/, text)
    assert.throws(() => readConfig(nodes(101)), /100 nodes at most/)
  })

  it('names what cannot go together', () => {
    const cluster = { REDIS_CLUSTER_NODES: 'host:7000' }
    const both = (variables: Readonly<Record<string, string>>) => () =>
      readConfig({ ...cluster, ...variables })
    assert.throws(both({ REDIS_URL: 'redis://host' }), /REDIS_CLUSTER_NODES .* together with REDIS_URL/)
    assert.throws(both({ REDIS_HOST: 'host' }), /REDIS_CLUSTER_NODES .* together with REDIS_HOST/)
    assert.throws(both({ REDIS_DB: '1' }), /REDIS_DB must be 0 with REDIS_CLUSTER_NODES/)
    assert.throws(
      () => readConfig({ REDIS_URL: 'redis://host', REDIS_TLS: 'on' }),
      /REDIS_URL must begin with rediss:/,
    )
    assert.doesNotThrow(() => readConfig({ REDIS_URL: 'rediss://host', REDIS_TLS: 'on' }))
    assert.throws(() => readConfig({ REDIS_TLS_CA: '/nowhere' }), /REDIS_TLS_CA must name a file/)
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
