import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { startService } from '@shop/testing/services/services.ts'

const needsLinux = process.platform === 'linux' ? false : 'needs prlimit of Linux'

/** Linux allows a parent to change the limits of its children. */
const limitDescriptors = (pid: number | undefined, count: number): void =>
  void execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${count}:${count}`])

describe('a service without free file descriptors', { skip: needsLinux }, () => {
  it('goes on, and serves again when connections have closed, on every address of localhost', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'descriptors-'))
    await using basket = await startService('basket', {
      DATA_DIR: folder.path,
      PRODUCT_SERVICE_URL: '127.0.0.1:1',
      MAX_EVENT_LOOP_DELAY_MS: '1000',
    })
    limitDescriptors(basket.process.pid, 60)
    const { port } = new URL(basket.url)
    for (const host of ['127.0.0.1', '::1']) {
      const sockets = Array.from({ length: 100 }, () => connect(Number(port), host).on('error', () => {}))
      // Several samples of the delay of the event loop.
      await delay(2_000)
      assert.equal(basket.process.exitCode, null, basket.output())
      for (const socket of sockets) socket.destroy()
      const url = `http://${host === '::1' ? '[::1]' : host}:${port}/health/live`
      await eventually(20_000, async () => assert.equal((await request('GET', url)).status, 200))
    }
  })
})
