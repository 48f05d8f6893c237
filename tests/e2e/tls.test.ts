import assert from 'node:assert/strict'
import { copyFile, mkdtemp, mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ServerCredentials } from '@grpc/grpc-js'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
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

it('the basket service shows its certificate, uses a new one without a restart, and exposes when it expires', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'tls-'))
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const server = await authority.issue('server')
  const [first, second] = [
    await authority.issue('first', { clientAuth: true }),
    await authority.issue('second', { clientAuth: true, days: 5 }),
  ]
  const pair = { private_key: await readFile(server.key), cert_chain: await readFile(server.certificate) }
  const clients: unknown[] = []
  using products = await startProductStub(
    (call, respond) => {
      clients.push(call.getAuthContext().sslPeerCertificate?.subject.CN)
      respond(null, { products: [orwell] })
    },
    {
      credentials: ServerCredentials.createSsl(await readFile(authority.certificate), [pair], true),
      server: { 'grpc.max_connection_age_ms': 50 },
    },
  )
  const [certificate, key] = [join(folder.path, 'tls.crt'), join(folder.path, 'tls.key')]
  const install = async (issued: typeof first) => {
    await copyFile(issued.certificate, certificate)
    await copyFile(issued.key, key)
  }
  await install(first)
  await using basket = await startService('basket', {
    DATA_DIR: folder.path,
    PRODUCT_SERVICE_URL: `dns+https:///localhost:${products.port}`,
    PRODUCT_SERVICE_CA_FILE: authority.certificate,
    PRODUCT_SERVICE_CERT_FILE: certificate,
    PRODUCT_SERVICE_KEY_FILE: key,
  })
  const statuses = new Set<number>()
  const add = async () => {
    const item = { product_id: orwell.id, quantity: 1 }
    statuses.add((await request('POST', `${basket.url}/baskets/ann/items`, item)).status)
  }
  await add()
  assert.deepEqual(new Set(clients), new Set(['first']))
  await install(second)
  await eventually(20_000, async () => {
    await add()
    assert.equal(clients.at(-1), 'second')
  })
  assert.deepEqual(statuses, new Set([200]))
  const metrics = await (await fetch(`${basket.url}/metrics`)).text()
  const [, seconds] =
    /^tls_certificate_expiry_seconds\{certificate="product_service_client".*\} (\S+)$/m.exec(metrics) ?? []
  assert.equal(Math.round(Number(seconds) / 86_400), 5)
  assert.match(basket.output(), /using the new TLS certificates in the files/)
})
