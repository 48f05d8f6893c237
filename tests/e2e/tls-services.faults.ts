import assert from 'node:assert/strict'
import { copyFile, mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { type IssuedCertificate, makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

const timeoutMs = 20_000

const linesWith = (text: string, output: string): readonly string[] =>
  output.split('\n').filter((line) => line.includes(text))

it('both services renew their certificates; one that the product service refuses is an outage, and ends without a restart', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'tls-services-'))
  const at = (name: string) => join(folder.path, name)
  const authority = await makeAuthority(at('ca'))
  const foreign = await makeAuthority(at('foreign'))
  const install = async (name: string, issued: IssuedCertificate) => {
    await copyFile(issued.key, at(`${name}.key`))
    await copyFile(issued.certificate, at(`${name}.crt`))
  }
  await install('product', await authority.issue('product'))
  await install('basket', await authority.issue('basket', { clientAuth: true }))
  const grpcPort = String(await freePort())
  const startProduct = (client: IssuedCertificate) =>
    startService(
      'product',
      {
        DATA_DIR: folder.path,
        GRPC_PORT: grpcPort,
        TLS_CERT_FILE: at('product.crt'),
        TLS_KEY_FILE: at('product.key'),
        TLS_CLIENT_CA_FILE: authority.certificate,
      },
      { client },
    )
  const good = await authority.issue('good', { clientAuth: true })
  await using first = await startProduct(good)
  await using basket = await startService('basket', {
    DATA_DIR: folder.path,
    PRODUCT_SERVICE_URL: `dns+https:///localhost:${grpcPort}`,
    PRODUCT_SERVICE_CA_FILE: authority.certificate,
    PRODUCT_SERVICE_CERT_FILE: at('basket.crt'),
    PRODUCT_SERVICE_KEY_FILE: at('basket.key'),
  })
  const add = async () =>
    (await request('POST', `${basket.url}/baskets/ann/items`, { product_id: 1, quantity: 1 })).status
  const adds = async (status: number) => assert.equal(await add(), status)
  await adds(200)

  await install('product', await authority.issue('product-2'))
  await install('basket', await authority.issue('basket-2', { clientAuth: true }))
  await eventually(timeoutMs, async () => {
    await adds(200)
    assert.match(first.output(), /using the new TLS certificate/)
    assert.match(basket.output(), /using the new TLS certificates in the files/)
  })
  await first.stop()
  await adds(503)
  await using second = await startProduct(good)
  await eventually(timeoutMs, () => adds(200))
  assert.deepEqual(linesWith('TLS connection failed', basket.output()), [])

  await install('basket', await foreign.issue('stranger', { clientAuth: true }))
  await eventually(timeoutMs, async () =>
    assert.equal(linesWith('using the new TLS certificates', basket.output()).length, 2),
  )
  await second.stop()
  await using third = await startProduct(good)
  await eventually(timeoutMs, async () => {
    await adds(503)
    assert.equal(linesWith('TLS connection failed', basket.output()).length, 1)
  })
  for (let attempt = 0; attempt < 20; attempt++) await adds(503)
  const [line = '', ...more] = linesWith('TLS connection failed', basket.output())
  assert.deepEqual(more, [])
  assert.match(line, /PRODUCT_SERVICE_CERT_FILE and PRODUCT_SERVICE_KEY_FILE must name one that it accepts/)
  await install('basket', good)
  await eventually(timeoutMs, () => adds(200))
  assert.match(third.output(), /client_certificate/)
})
