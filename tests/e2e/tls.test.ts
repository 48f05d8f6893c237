import assert from 'node:assert/strict'
import { mkdtemp, mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ServerCredentials } from '@grpc/grpc-js'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { request } from '@shop/testing/services/http.ts'
import { orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { startService } from '@shop/testing/services/services.ts'

it('the basket service calls an https:// product service only if it trusts the certificate and the host name matches', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'tls-'))
  const startProducts = async (name: string) => {
    const { certificate, key } = await makeCertificate(await mkdtemp(`${folder.path}/`), name)
    const pair = { private_key: await readFile(key), cert_chain: await readFile(certificate) }
    const products = await startProductStub((_call, callback) => callback(null, { products: [orwell] }), {
      credentials: ServerCredentials.createSsl(null, [pair]),
    })
    return { ...products, certificate }
  }
  const startBasket = (port: number, environment: Readonly<Record<string, string>>) =>
    startService('basket', {
      ...environment,
      DATA_DIR: folder.path,
      PRODUCT_SERVICE_URL: `https://localhost:${port}`,
    })
  const add = (url: string) =>
    request('POST', `${url}/baskets/ann/items`, { product_id: orwell.id, quantity: 1 })

  using products = await startProducts('DNS:localhost')
  using misnamed = await startProducts('DNS:other.example')
  {
    await using basket = await startBasket(products.port, { NODE_EXTRA_CA_CERTS: products.certificate })
    assert.equal((await add(basket.url)).body.total, 14.99)
  }
  const refusals = [
    { port: products.port, environment: {}, reason: /self-signed certificate/ },
    {
      port: misnamed.port,
      environment: { NODE_EXTRA_CA_CERTS: misnamed.certificate },
      reason: /Host: localhost\. is not in the cert's altnames/,
    },
  ]
  for (const { port, environment, reason } of refusals) {
    await using basket = await startBasket(port, environment)
    const { status, body } = await add(basket.url)
    assert.deepEqual([status, body.code], [503, 'unavailable'])
    assert.doesNotMatch(JSON.stringify(body), /certificate|localhost/)
    await eventually(20_000, async () => assert.match(basket.output(), reason))
  }
})
