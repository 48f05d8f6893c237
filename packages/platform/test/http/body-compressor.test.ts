import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { describe, it } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import { createBodyCompressor } from '../../src/http/responses/body-compressor.ts'

const mebibyte = 1024 * 1024

/** Bodies of these sizes, compressed for one client. */
const begin = (compress: ReturnType<typeof createBodyCompressor>, client: string, sizes: readonly number[]) =>
  sizes.map((size) => compress(client, Buffer.alloc(size * mebibyte), 'br', false))

const settled = (bodies: readonly (Promise<Buffer> | undefined)[]) =>
  Promise.all(bodies.filter((body) => body !== undefined))

describe('compression of many bodies', () => {
  it('runs four at a time, because each takes a mebibyte', async () => {
    let begun = 0
    const hook = createHook({
      init: (_id, type) => {
        if (type === 'ZLIB') begun += 1
      },
    }).enable()
    try {
      const bodies = begin(createBodyCompressor(), 'client', [0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
      assert.equal(begun, 4)
      await settled(bodies)
      assert.equal(begun, 6)
    } finally {
      hook.disable()
    }
  })

  it('has room for some of one client, and then for others', async () => {
    const compress = createBodyCompressor()
    const bodies = begin(compress, 'attacker', [1, 1, 1, 1])
    assert.deepEqual(begin(compress, 'attacker', [0.001]), [undefined])
    for (const client of ['second', 'third', 'fourth']) bodies.push(...begin(compress, client, [4]))
    assert.deepEqual(begin(compress, 'fifth', [1]), [undefined])
    await settled(bodies)
    assert.ok((await begin(compress, 'attacker', [4])[0]) instanceof Buffer)
  })

  it('is done whatever waits for a client that accepts nothing else, and once for a shared body', async () => {
    const compress = createBodyCompressor()
    const body = Buffer.alloc(4 * mebibyte, 'x')
    const first = compress('client', body, 'br', false)
    assert.equal(compress('client', body, 'br', false), first)
    const required = await compress('client', Buffer.from('required'), 'br', true)
    assert.equal(String(brotliDecompressSync(required ?? '')), 'required')
    assert.deepEqual(brotliDecompressSync((await first) ?? ''), body)
  })
})
