import assert from 'node:assert/strict'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startRaw } from '@shop/testing/services/raw-products.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { openReader } from '../support/product-reader.ts'

/** Less than the half minute for which grpc-js would not look a name up again. */
const patience = 20_000

/** A server that counts its calls in `calls` under its name. */
const startCounting = (calls: Map<string, number>, name: string, address?: string) =>
  startRaw(
    (_call, callback) => {
      calls.set(name, (calls.get(name) ?? 0) + 1)
      callback(null, { products: [] })
    },
    { ...(address !== undefined && { address }) },
  )

/** Lets names stand for these addresses; who is not in it is not found. */
const nameServer = ({ mock }: TestContext, names: Map<string, readonly string[]>) => {
  mock.method(dns, 'lookup', async (name: string) => {
    const addresses = names.get(name)
    if (addresses === undefined) throw new Error(`ENOTFOUND ${name}`)
    return addresses.map((address) => ({ address, family: 4 }))
  })
}

type Reader = ReturnType<typeof openReader>

/** Reads until both have been asked since. */
const untilBothAnswer = async (calls: Map<string, number>, reader: Reader) => {
  calls.clear()
  await eventually(patience, async () => {
    await reader.get()
    assert.deepEqual([...calls.keys()].toSorted(), ['one', 'two'])
  })
}

describe('a channel to a list of servers', () => {
  it('asks them in turn, goes on with those that are left, and takes one back that returns', async () => {
    const calls = new Map<string, number>()
    using one = await startCounting(calls, 'one')
    const two = await startCounting(calls, 'two')
    using reader = openReader(`127.0.0.1:${one.port},localhost:${two.port}`)
    await untilBothAnswer(calls, reader)
    calls.clear()
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual(calls, new Map([...calls.keys()].map((name) => [name, 10])))

    two[Symbol.dispose]()
    calls.clear()
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual(calls, new Map([['one', 20]]))

    using again = await startCounting(calls, 'two', `127.0.0.1:${two.port}`)
    assert.equal(again.port, two.port)
    await untilBothAnswer(calls, reader)
  })

  it('does not wait for a name that is not found, and takes its server when it is', async (context) => {
    const names = new Map([['one.test', ['127.0.0.1']]])
    nameServer(context, names)
    const calls = new Map<string, number>()
    using one = await startCounting(calls, 'one')
    using two = await startCounting(calls, 'two')
    using reader = openReader(`two.test:${two.port},one.test:${one.port}`)
    for (let reads = 0; reads < 5; reads++) await reader.get()
    assert.deepEqual([...calls.keys()], ['one'])
    names.set('two.test', ['127.0.0.1'])
    await untilBothAnswer(calls, reader)
  })

  it('is unavailable while no name is found, and finds them when they are there', async (context) => {
    const names = new Map<string, readonly string[]>()
    nameServer(context, names)
    const calls = new Map<string, number>()
    using one = await startCounting(calls, 'one')
    using two = await startCounting(calls, 'two')
    using reader = openReader(`one.test:${one.port},two.test:${two.port}`)
    await assert.rejects(reader.get(), { code: 'unavailable' })
    for (const name of ['one.test', 'two.test']) names.set(name, ['127.0.0.1'])
    await eventually(patience, () => reader.get())
    await untilBothAnswer(calls, reader)
  })

  it('takes all addresses of a name for one server', async (context) => {
    nameServer(context, new Map([['one.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    const port = await freePort()
    using one = await startCounting(calls, 'one', `127.0.0.1:${port}`)
    using other = await startCounting(calls, 'other', `127.0.0.2:${port}`)
    assert.equal(one.port, other.port)
    using two = await startCounting(calls, 'two')
    using reader = openReader(`one.test:${port},127.0.0.1:${two.port}`)
    await untilBothAnswer(calls, reader)
  })
})

describe('a channel to a name', () => {
  const startBoth = async (calls: Map<string, number>) => {
    const port = await freePort()
    const stack = new DisposableStack()
    stack.use(await startCounting(calls, 'one', `127.0.0.1:${port}`))
    stack.use(await startCounting(calls, 'two', `127.0.0.2:${port}`))
    return { port, [Symbol.dispose]: () => stack.dispose() }
  }

  it('asks all its addresses in turn with dns:///', async (context) => {
    nameServer(context, new Map([['shop.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    using both = await startBoth(calls)
    using reader = openReader(`dns:///shop.test:${both.port}`)
    await untilBothAnswer(calls, reader)
  })

  it('stays with one of its addresses without', async (context) => {
    nameServer(context, new Map([['shop.test', ['127.0.0.1', '127.0.0.2']]]))
    const calls = new Map<string, number>()
    using both = await startBoth(calls)
    using reader = openReader(`shop.test:${both.port}`)
    for (let reads = 0; reads < 20; reads++) await reader.get()
    assert.deepEqual([...calls.values()], [20])
  })

  for (const prefix of ['', 'dns:///'])
    it(`follows it to another address: ${prefix}host:port`, async (context) => {
      const names = new Map([['shop.test', ['127.0.0.1']]])
      nameServer(context, names)
      const calls = new Map<string, number>()
      const one = await startCounting(calls, 'one')
      using reader = openReader(`${prefix}shop.test:${one.port}`)
      await reader.get()
      one[Symbol.dispose]()
      using two = await startCounting(calls, 'two', `127.0.0.2:${one.port}`)
      assert.equal(two.port, one.port)
      names.set('shop.test', ['127.0.0.2'])
      await eventually(patience, () => reader.get())
      assert.ok(calls.has('two'))
    })

  it('finds it whatever it is called', async (context) => {
    nameServer(context, new Map(['unix', 'list', 'ipv4'].map((name) => [name, ['127.0.0.1']])))
    const calls = new Map<string, number>()
    using one = await startCounting(calls, 'one')
    for (const name of ['unix', 'list', 'ipv4']) {
      using reader = openReader(`${name}:${one.port}`)
      await reader.get()
    }
    assert.equal(calls.get('one'), 3)
  })

  it('leads straight there, whatever proxy is for the world outside', async () => {
    const calls = new Map<string, number>()
    using one = await startCounting(calls, 'one')
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

  it('knocks again at short intervals, however long nobody answers', async () => {
    let knocks = 0
    const door = createServer((socket) => {
      knocks += 1
      socket.destroy()
    }).listen(0, '127.0.0.1')
    door.unref()
    await once(door, 'listening')
    const { port } = door.address() as AddressInfo
    using reader = openReader(`127.0.0.1:${port}`)
    await assert.rejects(reader.get(), { code: 'unavailable' })
    // By itself grpc-js would have knocked four times by then.
    await eventually(9_000, async () => assert.ok(knocks > 5, `${knocks} times`))
  })
})
