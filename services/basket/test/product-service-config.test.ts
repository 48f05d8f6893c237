import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { readConfig } from '../src/config.ts'
import { ownFolder } from './support/baskets.ts'

describe('the address of the product service', () => {
  it('accepts every form of the address of the product service', () => {
    for (const address of [
      'product:50050',
      'https://shop.example:443',
      'dns:///product.shop.svc:50050',
      'dns+https:///product.shop.svc:50050',
      '[::1]:50050',
      'a-1:50050,b_2.shop:65535,10.0.0.3:1',
    ])
      assert.equal(readConfig({ PRODUCT_SERVICE_URL: address }).productService.address, address)
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
    'dns+https:///a:1,b:2',
    'dns+https:///10.0.0.3:443',
    'dns+https://product:443',
    'https+dns:///product:443',
    'dns://8.8.8.8/product:50050',
    'a:1,',
    'a:1, b:2',
    'product:50050/path',
  ])
    it(`rejects '${address}' as the address of the product service, and names the valid forms`, () => {
      assert.throws(() => readConfig({ PRODUCT_SERVICE_URL: address }), {
        message:
          'Invalid configuration:\n  - PRODUCT_SERVICE_URL must be ' +
          'host:port, https://name:port, dns:///name:port, dns+https:///name:port, or several host:port separated by commas',
      })
    })
})

describe('the certificates for the product service', async () => {
  const folder = await ownFolder()
  after(() => folder.remove())
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const basket = await authority.issue('basket', { clientAuth: true })
  const other = await authority.issue('other', { clientAuth: true })
  const files = {
    PRODUCT_SERVICE_CA_FILE: authority.certificate,
    PRODUCT_SERVICE_CERT_FILE: basket.certificate,
    PRODUCT_SERVICE_KEY_FILE: basket.key,
  }
  const address = { PRODUCT_SERVICE_URL: 'dns+https:///product:50050' }
  const problemsOf = (environment: Readonly<Record<string, string>>): string => {
    try {
      readConfig(environment)
    } catch (error) {
      assert.equal(Object.entries(error ?? {}).find(([name]) => name === 'exitCode')?.[1], 78)
      return String(error)
    }
    return ''
  }

  it('are read for https:// and dns+https:///, each of them also alone', () => {
    const { PRODUCT_SERVICE_CA_FILE, ...own } = files
    const ca = { variable: 'PRODUCT_SERVICE_CA_FILE', path: authority.certificate }
    const pair = {
      certificate: { variable: 'PRODUCT_SERVICE_CERT_FILE', path: basket.certificate },
      key: { variable: 'PRODUCT_SERVICE_KEY_FILE', path: basket.key },
    }
    for (const PRODUCT_SERVICE_URL of [address.PRODUCT_SERVICE_URL, 'https://product:50050'])
      for (const [set, expected] of [
        [{}, { ca: undefined, own: undefined }],
        [files, { ca, own: pair }],
        [{ PRODUCT_SERVICE_CA_FILE }, { ca, own: undefined }],
        [own, { ca: undefined, own: pair }],
      ] as const)
        assert.deepEqual(readConfig({ PRODUCT_SERVICE_URL, ...set }).productService.tls?.files, expected)
  })

  it('need an address with TLS', () => {
    for (const url of ['product:50050', 'dns:///product:50050', 'a:50050,b:50050'])
      for (const name of Object.keys(files))
        assert.match(
          problemsOf({ ...files, PRODUCT_SERVICE_URL: url }),
          new RegExp(`- PRODUCT_SERVICE_URL must begin with https:// or dns\\+https:/// if ${name} is set`),
        )
  })

  it('have a key for the certificate, and a certificate for the key', () => {
    const { PRODUCT_SERVICE_CERT_FILE, PRODUCT_SERVICE_KEY_FILE } = files
    assert.match(
      problemsOf({ ...address, PRODUCT_SERVICE_CERT_FILE }),
      /- PRODUCT_SERVICE_KEY_FILE must be set if PRODUCT_SERVICE_CERT_FILE is set$/,
    )
    assert.match(
      problemsOf({ ...address, PRODUCT_SERVICE_KEY_FILE }),
      /- PRODUCT_SERVICE_CERT_FILE must be set if PRODUCT_SERVICE_KEY_FILE is set$/,
    )
    assert.match(
      problemsOf({ ...address, PRODUCT_SERVICE_CERT_FILE, PRODUCT_SERVICE_KEY_FILE: other.key }),
      /- PRODUCT_SERVICE_KEY_FILE must name the key of the first certificate in PRODUCT_SERVICE_CERT_FILE$/,
    )
  })

  it('are PEM files that exist; the problems say which is not, and nothing of what is in it', async () => {
    const text = join(folder.path, 'text')
    await writeFile(text, 'a secret')
    for (const name of Object.keys(files)) {
      assert.match(
        problemsOf({ ...address, ...files, [name]: '/nowhere' }),
        new RegExp(`- ${name} must name an existing file$`),
      )
      const problem = problemsOf({ ...address, ...files, [name]: text })
      assert.match(problem, new RegExp(`- ${name} must name a PEM file with`))
      assert.doesNotMatch(problem, /secret/)
    }
  })
})
