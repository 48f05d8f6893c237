import assert from 'node:assert/strict'
import { promises as dns } from 'node:dns'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { credentials, ServerCredentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { startProductStub } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'

it('a channel to dns+https:/// calls all addresses of the name in turn, with TLS, and verifies that name', async ({
  mock,
}) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'tls-channel-'))
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const { certificate, key } = await authority.issue('shop', { names: 'DNS:shop.test' })
  const pair = { private_key: await readFile(key), cert_chain: await readFile(certificate) }
  const rootCertificates = await readFile(authority.certificate)
  const names = new Set(['shop.test', 'other.test'])
  mock.method(dns, 'lookup', async (name: string) =>
    names.has(name) ? ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })) : [],
  )
  const calls = new Map<string, number>()
  const port = await freePort()
  const start = (ip: string) =>
    startProductStub(
      (_call, respond) => {
        calls.set(ip, (calls.get(ip) ?? 0) + 1)
        respond(null, { products: [] })
      },
      { address: `${ip}:${port}`, credentials: ServerCredentials.createSsl(null, [pair]) },
    )
  using servers = new DisposableStack()
  for (const ip of ['127.0.0.1', '127.0.0.2']) servers.use(await start(ip))
  const open = (name: string) => {
    const client = new ProductServiceClient(
      ...channelTo(`dns+https:///${name}:${port}`, [], credentials.createSsl(rootCertificates)),
    )
    const read = () =>
      callUnary(client.batchGetProducts.bind(client), { ids: [7], readMask: undefined }, 5_000)
    return { read, [Symbol.dispose]: () => client.close() }
  }
  using shop = open('shop.test')
  await eventually(5_000, async () => {
    await shop.read()
    assert.equal(calls.size, 2)
  })
  calls.clear()
  for (let read = 0; read < 20; read++) await shop.read()
  assert.deepEqual([...calls.values()], [10, 10])
  using other = open('other.test')
  await assert.rejects(other.read(), { code: 'unavailable' })
})
