import assert from 'node:assert/strict'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { startNginx, withoutNginx } from '@shop/testing/proxies/proxies.ts'
import { startService } from '@shop/testing/services/services.ts'

/** The directives for nginx in front of HTTP. */
const documented = async (): Promise<readonly string[]> => {
  const text = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const block = /```nginx\n((?:proxy_set_header .*\n)+)```/.exec(text)?.[1]
  assert.ok(block)
  return block.trim().split('\n')
}

let users = 0

/** Creates a basket from this address of the loopback network. Returns the status. */
const create = (url: string, localAddress: string, headers = {}): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      localAddress,
      headers: { 'content-type': 'application/json', ...headers },
    }
    send(`${url}/baskets`, options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end(JSON.stringify({ user_id: `user${++users}` }))
  })

describe('nginx as in docs/operations.md', { skip: withoutNginx }, () => {
  it('gives each client its own share of the limits, whatever address it claims', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'nginx-clients-'))
    await using basket = await startService('basket', {
      STORAGE: 'embedded',
      DATA_DIR: folder.path,
      TRUST_PROXY: '127.0.0.1',
      NEW_BASKETS_PER_HOUR: '2',
    })
    await using nginx = await startNginx(basket.url, await documented())
    const createTwo = (address: string) => [create(nginx.url, address), create(nginx.url, address)]
    assert.deepEqual(await Promise.all(createTwo('127.0.0.2')), [201, 201])
    assert.equal(await create(nginx.url, '127.0.0.2'), 429)
    assert.equal(await create(nginx.url, '127.0.0.2', { 'x-forwarded-for': '203.0.113.1' }), 429)
    assert.deepEqual(await Promise.all(createTwo('127.0.0.3')), [201, 201])
  })
})
