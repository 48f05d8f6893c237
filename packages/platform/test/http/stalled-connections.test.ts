import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { parseResponse, readAll } from '../support/raw-http.ts'
import { large, startWithReaders, timeoutMs } from '../support/readers.ts'

/** Three fifths of it and the buffers of the connection take less than all. */
const huge = 30_000_000

const [unreading, slow, waiting] = ['127.0.0.9', '127.0.0.2', '127.0.0.3'] as const

// Concurrently, because most of the time is pauses.
describe('a connection', { concurrency: true }, async () => {
  const stallLimitMs = 600
  const server = await startWithReaders({ stallLimitMs, maxResponseBytes: 4 * huge })
  const { leaveUnread, recorded, counted } = server
  after(() => server[Symbol.asyncDispose]())

  it('whose client takes nothing of a response is closed, and recorded as 499', async () => {
    const socket = await leaveUnread(unreading, `/bytes/${large}`)
    await eventually(timeoutMs, async () => assert.equal(recorded(499), 1))
    assert.deepEqual(await counted('responses_cut_total'), ['responses_cut_total{reason="stalled"} 1'])
    await assert.rejects(readAll(socket), { code: 'ECONNRESET' })
  })

  it('whose client reads slowly stays open, however long it takes', async () => {
    const socket = await leaveUnread(slow, `/bytes/${huge}`)
    let bytes = 0
    // The kernel asks for more when a third of its buffer is empty. Each step takes at least that.
    for (let step = 1; step <= 5; step++) {
      while (bytes < (step * huge) / 5) {
        const chunk: Buffer | null = socket.read()
        if (chunk === null) await once(socket, 'readable')
        bytes += chunk?.length ?? 0
      }
      await delay(stallLimitMs / 2)
    }
    assert.ok(bytes > huge)
  })

  it('stays open while a handler works, and while a stream has nothing to send', async () => {
    const socket = await leaveUnread(waiting, '/stream')
    await eventually(timeoutMs, async () => assert.equal(server.streams.length, 1))
    await delay(1.25 * stallLimitMs)
    server.streams[0]?.push('the end')
    server.streams[0]?.push(null)
    const [chunk] = await once(socket, 'data')
    assert.match(String(chunk), /200 OK[^]*the end/)
    await delay(1.25 * stallLimitMs)
    socket.write('GET /health/live HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
    assert.equal(parseResponse(await readAll(socket)).status, 200)
  })
})
