import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempDisposable } from 'node:fs/promises'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'

const needsLinux = process.platform === 'linux' ? false : 'needs prlimit of Linux'

/** Linux allows a parent to change the limits of its children. */
const limitDescriptors = (pid: number | undefined, count: number): void =>
  void execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${count}:${count}`])

const linesOf = ({ output }: RunningService, message: string): string[] =>
  output()
    .split('\n')
    .filter((line) => line.includes(`"msg":"${message}"`))

const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])

/** Opens connections of one address, which send the bytes and keep what they get. */
const open = (count: number, port: number, localAddress: string, bytes: Buffer | string = ''): Socket[] =>
  Array.from({ length: count }, () => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => {})
    socket.resume().write(bytes)
    return socket
  })

const closeAll = (sockets: readonly Socket[]): void => {
  for (const socket of sockets) socket.destroy()
}

describe('a service without free file descriptors', { skip: needsLinux }, () => {
  it('goes on, says so, and serves again when connections have closed, on every address of localhost', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'descriptors-'))
    await using basket = await startService('basket', {
      DATA_DIR: folder.path,
      PRODUCT_SERVICE_URL: '127.0.0.1:1',
      MAX_EVENT_LOOP_DELAY_MS: '1000',
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const scrape = async () => {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        get(`${basket.url}/metrics`, { agent }, resolve).on('error', reject)
      })
      return { status: response.statusCode, text: await text(response) }
    }
    await scrape()
    limitDescriptors(basket.process.pid, 60)
    const { port } = new URL(basket.url)
    for (const host of ['127.0.0.1', '::1']) {
      const sockets = Array.from({ length: 100 }, () => connect(Number(port), host).on('error', () => {}))
      await eventually(20_000, async () =>
        assert.ok(linesOf(basket, 'no more files or connections can be opened').length > 0, basket.output()),
      )
      // Several samples of the delay of the event loop.
      await delay(2_000)
      assert.equal(basket.process.exitCode, null, basket.output())
      // Over the connection that is open. What /proc says is missing.
      const metrics = await scrape()
      assert.equal(metrics.status, 200)
      assert.match(metrics.text, /^server_connections_max\S* 10000$/m)
      closeAll(sockets)
      const url = `http://${host === '::1' ? '[::1]' : host}:${port}/health/live`
      await eventually(20_000, async () => assert.equal((await request('GET', url)).status, 200))
    }
    assert.equal(linesOf(basket, 'no more files or connections can be opened').length, 1)
    agent.destroy()
  })
})

/** Starts a service that may open 500 files, and therefore serves 250 connections. */
const startLimited = (service: 'product' | 'basket', folder: string, more: Record<string, string>) =>
  startService(
    service,
    { DATA_DIR: folder, STORAGE: 'embedded', TRUST_PROXY: 'off', MAX_CONNECTIONS_PER_CLIENT: '100', ...more },
    { openFiles: 500 },
  )

const lowLimit =
  'the limit of open files allows fewer connections; raise it (ulimit -n), or lower MAX_CONNECTIONS'

describe('a service with a low limit of file descriptors', { skip: needsLinux }, () => {
  for (const service of ['product', 'basket'] as const)
    it(`serves others while one address opens as many connections as it can: ${service}`, async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'descriptors-'))
      const grpcPort = await freePort()
      const more: Record<string, string> =
        service === 'product' ? { GRPC_PORT: String(grpcPort) } : { PRODUCT_SERVICE_URL: '127.0.0.1:1' }
      await using running = await startLimited(service, folder.path, more)
      assert.deepEqual(
        linesOf(running, lowLimit).map((line) => {
          const { level, open_files, wanted_connections, max_connections } = JSON.parse(line)
          return [level, open_files, wanted_connections, max_connections]
        }),
        [['warn', 500, 10_000, 250]],
      )
      const port = Number(new URL(running.url).port)
      const attack = (address: string) => [
        ...open(300, port, address),
        ...(service === 'product' ? open(300, grpcPort, address, preface) : []),
      ]
      const path = service === 'product' ? '/products?limit=1' : '/baskets/nobody'
      const status = service === 'product' ? 200 : 404
      let sockets = attack('127.0.0.9')
      for (let round = 0; round < 20; round++) {
        assert.equal((await request('GET', `${running.url}${path}`)).status, status)
        const { body } = await request('GET', `${running.url}/metrics`)
        assert.match(body, /^server_connections_max\S* 250$/m)
        assert.match(body, /^process_open_fds\S* \d+$/m)
        await delay(50)
      }
      assert.deepEqual(linesOf(running, 'connections are refused'), [])
      // Three addresses have more than the total. Idle connections would make room for new ones, so all are new.
      await eventually(20_000, async () => {
        closeAll(sockets)
        sockets = ['127.0.0.7', '127.0.0.8', '127.0.0.9'].flatMap(attack)
        await delay(500)
        assert.ok(linesOf(running, 'connections are refused').length > 0)
      })
      for (let round = 0; round < 20; round++)
        assert.equal((await request('GET', `${running.url}/health/live`)).status, 200)
      assert.equal(linesOf(running, 'no more files or connections can be opened').length, 0, running.output())
      closeAll(sockets)
      await eventually(20_000, async () => {
        const { body } = await request('GET', `${running.url}/metrics`)
        const counts = [...String(body).matchAll(/^server_connections\{(.*)\} (\d+)$/gm)]
        // The connection of this scrape, and those that `fetch` keeps.
        assert.ok(counts.reduce((sum, [, , count]) => sum + Number(count), 0) < 5, String(counts))
      })
      assert.equal((await request('GET', `${running.url}${path}`)).status, status)
      assert.doesNotMatch(running.output(), /127\.0\.0\.[789]/)
    })
})
