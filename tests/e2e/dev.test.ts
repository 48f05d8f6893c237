import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { request, requestWithHost } from '@shop/testing/services/http.ts'
import { freePort } from '@shop/testing/services/services.ts'

it('make dev starts both services, prints commands to try, and stops both on Ctrl-C', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'dev-'))
  const [product, basket, grpc] = [await freePort(), await freePort(), await freePort()].map(String)
  const dev = spawn('make', ['dev'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      DATA_DIR: folder,
      PRODUCT_PORT: product,
      BASKET_PORT: basket,
      GRPC_PORT: grpc,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Its own process group, so that SIGINT reaches all of its processes, as Ctrl-C does in a terminal.
    detached: true,
  })
  const exited = once(dev, 'exit')
  try {
    let output = ''
    dev.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    while (!output.includes('Ctrl-C stops both')) await once(dev.stdout, 'data')
    assert.match(output, new RegExp(`Product service +http://localhost:${product}`))
    assert.match(output, new RegExp(`Basket service +http://localhost:${basket}`))
    assert.equal(output.match(/^ {2}curl /gm)?.length, 3)
    assert.equal((await request('GET', `http://127.0.0.1:${product}/products/top-5`)).body.count, 5)
    for (const port of [product, basket])
      for (const host of ['127.0.0.1', '[::1]']) {
        const url = `http://${host}:${port}/health/live`
        assert.equal((await requestWithHost(url, `localhost:${port}`)).status, 200, url)
        assert.equal((await requestWithHost(url, `shop.example:${port}`)).status, 403, url)
      }
    const items = `http://127.0.0.1:${basket}/baskets/user123/items`
    assert.equal((await request('POST', items, { product_id: 1, quantity: 2 })).status, 200)
  } finally {
    if (dev.pid !== undefined) process.kill(-dev.pid, 'SIGINT')
    await exited
  }
  for (const port of [product, basket])
    await assert.rejects(request('GET', `http://127.0.0.1:${port}/health`))
  await rm(folder, { recursive: true })
})
