import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { request } from '@shop/testing/services/http.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'

/** What becomes of the connections: in turn, so that a retry fares differently. */
const fates = ['request lost', 'response lost', 'response cut', 'delivered'] as const

/** Starts a proxy that cuts most connections to this port, at the first byte of a request or a response. */
const startCuttingProxy = async (port: number) => {
  const seen = { 'request lost': 0, 'response lost': 0, 'response cut': 0, delivered: 0 }
  let turn = 0
  const server = createServer((client) => {
    const fate = fates[turn++ % fates.length] ?? 'delivered'
    seen[fate] += 1
    const upstream = connect(port, '127.0.0.1')
    const cut = () => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) socket.on('error', cut)
    client.on('data', (data) => (fate === 'request lost' ? cut() : upstream.write(data)))
    upstream.on('data', (data: Buffer) => {
      if (fate === 'response lost') return cut()
      // The next request needs a new connection.
      client.end(fate === 'response cut' ? data.subarray(0, data.length - 5) : data)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: own } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${own}`, seen, [Symbol.dispose]: () => void server.close() }
}

/** Starts a server that answers each request by the next of these statuses, then by the last one, with a date in `Retry-After`. */
const startAnswering = async (...statuses: readonly number[]) => {
  let count = 0
  const server = createHttpServer((incoming, response) => {
    const status = statuses[Math.min(count++, statuses.length - 1)] ?? 500
    incoming.resume().on('end', () => {
      response.writeHead(status, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }).end(`{"count":${count}}`)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    count: () => count,
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const page = await readFile(join(root, 'docs/retries.md'), 'utf8')

/** The program on the page that begins with this text. */
const program = (language: string, begin: string): string => {
  const [, text] = page.split(`\`\`\`${language}\n${begin}`)
  return begin + (text?.split('```')[0] ?? assert.fail(begin))
}

const javaScript = () => import(`data:text/javascript,${encodeURIComponent(program('js', '/** Sends one'))}`)

describe('docs/retries.md', () => {
  const stack = new AsyncDisposableStack()
  let port = 0
  let basketUrl = ''
  before(async () => {
    const { path: DATA_DIR } = stack.use(await mkdtempDisposable(join(tmpdir(), 'retries-')))
    const GRPC_PORT = String(await freePort())
    stack.use(await startService('product', { DATA_DIR, GRPC_PORT }))
    const PRODUCT_SERVICE_URL = `127.0.0.1:${GRPC_PORT}`
    basketUrl = stack.use(await startService('basket', { DATA_DIR, PRODUCT_SERVICE_URL })).url
    port = Number(new URL(basketUrl).port)
  })
  after(() => stack.disposeAsync())

  const basketOf = async (user: string) => (await request('GET', `${basketUrl}/baskets/${user}`)).body

  it('has a Bash function that writes once for each call, however often connections are cut', async () => {
    using proxy = await startCuttingProxy(port)
    const add = program('bash', '# add PRODUCT').replace('http://localhost:8081', proxy.url)
    const script = `${add}\nfor call in 1 2 3; do add 1 1 || exit 1; done; add 1 9999 && exit 2; add 404404 1`
    const { stdout, stderr, code } = await promisify(execFile)('bash', ['-c', script]).catch((error) => error)
    assert.equal(code, 1)
    const basket = await basketOf('ann')
    assert.deepEqual([basket.item_count, basket.version], [3, 3])
    assert.equal(JSON.parse(stdout.trim().split('\n').at(-1)).version, 3)
    assert.match(stderr, /"code":"invalid".*"code":"product_not_found"/s)
    for (const fate of fates) assert.ok(proxy.seen[fate] >= 3, JSON.stringify(proxy.seen))
  })

  it('has a JavaScript function that does so too', async () => {
    using proxy = await startCuttingProxy(port)
    const { write } = await javaScript()
    const items = `${proxy.url}/baskets/bob/items`
    for (let call = 1; call <= 3; call++) {
      const { status, text } = await write('POST', items, { product_id: 1, quantity: 1 })
      assert.deepEqual([status, JSON.parse(text).version], [200, call])
    }
    assert.equal((await write('PUT', `${items}/1`, { quantity: 7 })).status, 200)
    assert.equal((await write('DELETE', `${items}/1`)).status, 200)
    assert.equal((await write('DELETE', `${items}/1`)).status, 404)
    const basket = await basketOf('bob')
    assert.deepEqual([basket.item_count, basket.version], [0, 5])
    for (const fate of fates) assert.ok(proxy.seen[fate] >= 3, JSON.stringify(proxy.seen))
  })

  it('has a Bash function that gives up with the last problem, at once, and tries again after a 408', async () => {
    const run = async (url: string) => {
      const add = program('bash', '# add PRODUCT').replace('http://localhost:8081', url)
      const script = `sleep() { echo "wait $1"; }\n${add}\nadd 1 1`
      const { stdout, stderr, code } = await promisify(execFile)('bash', ['-c', script]).catch((e) => e)
      return { waits: stdout.match(/^wait \d+\.\d{3}$/gm)?.length, stdout, stderr, code }
    }
    using unavailable = await startAnswering(503)
    const { waits, stderr, code } = await run(unavailable.url)
    assert.deepEqual([unavailable.count(), waits, stderr, code], [8, 7, '{"count":8}\n', 1])
    using slow = await startAnswering(408, 429, 500, 200)
    const { stdout, ...rest } = await run(slow.url)
    assert.match(stdout, /{"count":4}\n$/)
    assert.deepEqual(rest, { waits: 3, stderr: '', code: undefined })
  })

  it('has a JavaScript function that returns the last problem, and tries again after a 408', async (t) => {
    const warn = t.mock.method(process, 'emitWarning')
    const { write } = await javaScript()
    using unavailable = await startAnswering(503)
    const last = await write('DELETE', unavailable.url, undefined, { attempts: 3 })
    assert.deepEqual(last, { status: 503, text: '{"count":3}' })
    using slow = await startAnswering(408, 429, 500, 200)
    assert.deepEqual(await write('DELETE', slow.url), { status: 200, text: '{"count":4}' })
    // Of a delay that is not a number.
    assert.deepEqual(warn.mock.calls, [])
  })
})
