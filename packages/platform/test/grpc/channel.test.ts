import assert from 'node:assert/strict'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startProductStub } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { startProxy } from '@shop/testing/stores/own-redis.ts'
import { openReader } from '../support/product-reader.ts'

/** Shorter than the 30 s that grpc-js waits between DNS lookups by default, which would fail the tests. */
const recoveryLimitMs = 20_000

/** Starts a server that counts its calls in `calls` under its name. */
const startCountingServer = (calls: Map<string, number>, name: string, address?: string) =>
  startProductStub(
    (_call, callback) => {
      calls.set(name, (calls.get(name) ?? 0) + 1)
      callback(null, { products: [] })
    },
    { ...(address !== undefined && { address }) },
  )

/** Mocks DNS lookups: resolves the names in `names` to their addresses, and rejects all others. */
const mockDns = ({ mock }: TestContext, names: Map<string, readonly string[]>) => {
  mock.method(dns, 'lookup', async (name: string) => {
    const addresses = names.get(name)
    if (addresses === undefined) throw new Error(`ENOTFOUND ${name}`)
    return addresses.map((address) => ({ address, family: 4 }))
  })
}

type Reader = ReturnType<typeof openReader>

/** Resets the counts, then reads until both servers have been called. */
const untilBothCalled = async (calls: Map<string, number>, reader: Reader) => {
  calls.clear()
  await eventually(recoveryLimitMs, async () => {
    await reader.get()
    assert.deepEqual([...calls.keys()].toSorted(), ['one', 'two'])
  })
}

describe('a channel to a list of servers', () => {
  it('balances calls evenly, skips a server that stops, and uses it again after its restart', async () => {
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    const two = await startCountingServer(calls, 'two')
    using reader = openReader(`127.0.0.1:${one.port},localhost:${two.port}`)
    await untilBothCalled(calls, reader)
    calls.clear()
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual(calls, new Map([...calls.keys()].map((name) => [name, 10])))

    two[Symbol.dispose]()
    calls.clear()
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual(calls, new Map([['one', 20]]))

    using restarted = await startCountingServer(calls, 'two', `127.0.0.1:${two.port}`)
    assert.equal(restarted.port, two.port)
    await untilBothCalled(calls, reader)
  })

  it('soon skips a server whose packets are lost', async () => {
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    using two = await startCountingServer(calls, 'two')
    using proxy = await startProxy(two.port)
    using reader = openReader(`127.0.0.1:${one.port},localhost:${proxy.port}`)
    await untilBothCalled(calls, reader)
    proxy.freezeConnections()
    // TCP would give it up after 15 minutes.
    for (let reads = 0; reads < 20; reads++) await reader.get(recoveryLimitMs)
    assert.equal(calls.has('one'), true)
  })

  it('does not wait for a name that cannot be resolved, and uses its server once it can be resolved', async (context) => {
    const names = new Map([['one.test', ['127.0.0.1']]])
    mockDns(context, names)
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    using two = await startCountingServer(calls, 'two')
    using reader = openReader(`two.test:${two.port},one.test:${one.port}`)
    for (let reads = 0; reads < 5; reads++) await reader.get()
    assert.deepEqual([...calls.keys()], ['one'])
    names.set('two.test', ['127.0.0.1'])
    await untilBothCalled(calls, reader)
  })

  it('is unavailable while no name can be resolved, and recovers once the names can be resolved', async (context) => {
    const names = new Map<string, readonly string[]>()
    mockDns(context, names)
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    using two = await startCountingServer(calls, 'two')
    using reader = openReader(`one.test:${one.port},two.test:${two.port}`)
    await assert.rejects(reader.get(), { code: 'unavailable' })
    for (const name of ['one.test', 'two.test']) names.set(name, ['127.0.0.1'])
    await eventually(recoveryLimitMs, () => reader.get())
    await untilBothCalled(calls, reader)
  })

  it('treats all addresses of a name as one server', async (context) => {
    mockDns(context, new Map([['one.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    const port = await freePort()
    using one = await startCountingServer(calls, 'one', `127.0.0.1:${port}`)
    using other = await startCountingServer(calls, 'other', `127.0.0.2:${port}`)
    assert.equal(one.port, other.port)
    using two = await startCountingServer(calls, 'two')
    using reader = openReader(`one.test:${port},127.0.0.1:${two.port}`)
    await untilBothCalled(calls, reader)
  })
})

describe('a channel to a name', () => {
  const startBoth = async (calls: Map<string, number>) => {
    const port = await freePort()
    const stack = new DisposableStack()
    stack.use(await startCountingServer(calls, 'one', `127.0.0.1:${port}`))
    stack.use(await startCountingServer(calls, 'two', `127.0.0.2:${port}`))
    return { port, [Symbol.dispose]: () => stack.dispose() }
  }

  it('balances calls over all addresses of the name with dns:///', async (context) => {
    mockDns(context, new Map([['shop.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    using both = await startBoth(calls)
    using reader = openReader(`dns:///shop.test:${both.port}`)
    await untilBothCalled(calls, reader)
  })

  it('stays with one address of the name without dns:///', async (context) => {
    mockDns(context, new Map([['shop.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    using both = await startBoth(calls)
    using reader = openReader(`shop.test:${both.port}`)
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual([...calls.values()], [20])
  })

  for (const prefix of ['', 'dns:///'])
    it(`follows the name to its new address (${prefix}host:port)`, async (context) => {
      const names = new Map([['shop.test', ['127.0.0.1']]])
      mockDns(context, names)
      const calls = new Map<string, number>()
      const one = await startCountingServer(calls, 'one')
      using reader = openReader(`${prefix}shop.test:${one.port}`)
      await reader.get()
      one[Symbol.dispose]()
      using two = await startCountingServer(calls, 'two', `127.0.0.2:${one.port}`)
      assert.equal(two.port, one.port)
      names.set('shop.test', ['127.0.0.2'])
      await eventually(recoveryLimitMs, () => reader.get())
      assert.ok(calls.has('two'))
    })

  it('resolves host names that are also gRPC resolver schemes', async (context) => {
    mockDns(context, new Map(['unix', 'list', 'ipv4'].map((name) => [name, ['127.0.0.1']])))
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    for (const name of ['unix', 'list', 'ipv4']) {
      using reader = openReader(`${name}:${one.port}`)
      await reader.get()
    }
    assert.equal(calls.get('one'), 3)
  })

  it('ignores http_proxy', async () => {
    const calls = new Map<string, number>()
    using one = await startCountingServer(calls, 'one')
    const before = process.env['http_proxy']
    process.env['http_proxy'] = 'http://127.0.0.1:1'
    try {
      using reader = openReader(`127.0.0.1:${one.port}`)
      await reader.get()
    } finally {
      if (before === undefined) delete process.env['http_proxy']
      else process.env['http_proxy'] = before
    }
    assert.equal(calls.get('one'), 1)
  })

  it('keeps reconnecting at short intervals during a long outage', async () => {
    let connections = 0
    const server = createServer((socket) => {
      connections += 1
      socket.destroy()
    }).listen(0, '127.0.0.1')
    server.unref()
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    using reader = openReader(`127.0.0.1:${port}`)
    await assert.rejects(reader.get(), { code: 'unavailable' })
    // With its default backoff, grpc-js would have connected only four times by then.
    await eventually(9_000, async () => assert.ok(connections > 5, `${connections} connections`))
  })
})
