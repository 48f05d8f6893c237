import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { documentOf, openClient, services } from './generated-client.ts'

const startShop = async (folder: string) => {
  await using stack = new AsyncDisposableStack()
  const grpcPort = String(await freePort())
  const [product, basket] = await Promise.all([
    startService('product', { DATA_DIR: folder, GRPC_PORT: grpcPort }),
    startService('basket', { DATA_DIR: folder, PRODUCT_SERVICE_URL: `127.0.0.1:${grpcPort}` }),
  ])
  for (const service of [product, basket]) stack.use(service)
  const owned = stack.move()
  return { urls: [product.url, basket.url], [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

it('a TypeScript client generated from the OpenAPI documents uses every operation, and shops', async () => {
  await using client = await openClient()
  await using data = await mkdtempDisposable(join(tmpdir(), 'shop-client-data-'))
  await using shop = await startShop(data.path)
  const program = join(client.path, 'shop.ts')
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...shop.urls], { timeout: 60_000 })
  const documented: string[] = []
  for (const service of services) {
    const { paths } = await documentOf(service)
    for (const [path, operations] of Object.entries(paths))
      for (const method of Object.keys(operations)) documented.push(`${service} ${method} ${path}`)
  }
  assert.deepEqual(JSON.parse(stdout), documented.toSorted())
})
