import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { root } from '@shop/testing/files.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

const run = async (program: string, ...parameters: readonly string[]) =>
  (await promisify(execFile)(program, parameters, { timeout: 20_000 })).stdout

it('both services end TLS on all of their ports, and the basket service calls the product service over TLS', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'https-'))
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const { certificate, key } = await authority.issue('shop')
  const grpcPort = String(await freePort())
  const common = { TLS_CERT_FILE: certificate, TLS_KEY_FILE: key, HOST: 'localhost' }
  const dataOf = (name: string) => ({ DATA_DIR: join(folder.path, name) })
  await using stack = new AsyncDisposableStack()
  const [product, basket] = await Promise.all([
    startService('product', { ...common, ...dataOf('products'), GRPC_PORT: grpcPort }),
    startService('basket', {
      ...common,
      ...dataOf('baskets'),
      PRODUCT_SERVICE_URL: `https://localhost:${grpcPort}`,
      NODE_EXTRA_CA_CERTS: authority.certificate,
    }),
  ])
  for (const service of [product, basket]) stack.use(service)
  const curl = async (...parameters: readonly string[]) =>
    JSON.parse(await run('curl', '-sS', '--cacert', authority.certificate, ...parameters))
  const json = ['-H', 'Content-Type: application/json', '-d']

  const { id } = await curl(
    `${product.url}/products`,
    ...json,
    '{"name": "Emma", "price": 11.5, "stock": 20}',
  )
  const item = JSON.stringify({ product_id: id, quantity: 2 })
  // The basket service may have started first, and then tries again within a second to reach the other.
  await eventually(10_000, async () =>
    assert.equal((await curl(`${basket.url}/baskets/ann/items`, ...json, item)).total, 23),
  )

  const buf = join(root, 'node_modules/.bin/buf')
  const call = [
    'curl',
    '--protocol',
    'grpc',
    '--cacert',
    authority.certificate,
    '--reflect',
    '-d',
    `{"id": ${id}}`,
  ]
  const method = `https://localhost:${grpcPort}/product.ProductService/GetProduct`
  assert.equal(JSON.parse(await run(buf, ...call, method)).product.name, 'Emma')
  await assert.rejects(run('curl', '-sS', product.url.replace('https', 'http')))
  assert.equal((await curl(`${product.url}/health/ready`)).status, 'healthy')

  for (const { output } of [product, basket]) assert.match(output(), /"tls":true.*"msg":"started"/)
})
