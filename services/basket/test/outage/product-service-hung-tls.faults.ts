import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { openProductService } from '../../src/infrastructure/product-service.ts'
import { ownFolder } from '../support/baskets.ts'

it('a product service that hangs in the handshake gets a new connection every two seconds, and the previous one is closed', async () => {
  await using folder = await ownFolder()
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const open = new Set<Socket>()
  let connections = 0
  const hung = createServer((socket) => {
    connections += 1
    open.add(socket.resume())
    socket.on('error', () => {}).on('close', () => open.delete(socket))
  }).listen(0, '127.0.0.1')
  await once(hung, 'listening')
  const { port } = hung.address() as AddressInfo
  const variables = { address: 'URL', ca: 'CA', certificate: 'CERT', key: 'KEY' }
  const files = { ca: { variable: 'CA', path: authority.certificate }, own: undefined }
  const config = { address: `https://localhost:${port}`, tls: { variables, files } }
  const { catalog } = openProductService(config, 'EUR', { logger: silentLogger })
  using _ = catalog
  await eventually(20_000, async () => {
    await assert.rejects(catalog.find(7), hasCode('unavailable'))
    assert.ok(connections >= 3)
  })
  await eventually(5_000, async () => assert.equal(open.size, 1))
  for (const socket of open) socket.destroy()
  hung.close()
})
