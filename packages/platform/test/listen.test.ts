import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { OperatorError } from '../src/config/operator-error.ts'
import { listenOn } from '../src/listen.ts'
import { openClient, startService } from './support/grpc.ts'
import { startServer } from './support/http-server.ts'
import { openTo, readAll } from './support/raw-http.ts'

const noProduct = { product: undefined }

const listenHttp = async (host: string) => {
  const server = await startServer()
  const port = await server.listen(0, host)
  const isReachable = (name: string) =>
    fetch(`http://${name}:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
  return { ...server, port, isReachable }
}

const failure = (code: string) => Object.assign(new Error('listen'), { code })

/** The addresses that `listenOn` tries, if listening fails with the code on some of them, and its outcome. */
const addressesTried = async (host: string, code: string, fails: (address: string) => boolean) => {
  const addresses: string[] = []
  const result = await listenOn(host, async (address) => {
    addresses.push(address)
    if (fails(address)) throw failure(code)
    return address
  }).catch((error: Error) => error.message)
  return [addresses, result]
}

describe('a listener', () => {
  it('on :: takes IPv6 and IPv4, over HTTP', async () => {
    await using server = await listenHttp('::')
    assert.deepEqual(await Promise.all(['[::1]', '127.0.0.1'].map(server.isReachable)), [true, true])
  })

  it('on :: takes IPv6 and IPv4, over gRPC', async () => {
    await using service = await startService(async () => noProduct)
    for (const host of ['[::1]', '127.0.0.1']) {
      using client = openClient(service.port, host)
      assert.deepEqual(await client.getProduct(7), noProduct)
    }
  })

  it('over gRPC stops listening on each address', async () => {
    for (const host of ['::', '127.0.0.1', '::1', 'localhost']) {
      await using service = await startService(async () => noProduct, { host })
      service.stopListening()
      for (const address of ['127.0.0.1', '[::1]']) {
        using client = openClient(service.port, address)
        await assert.rejects(client.getProduct(7), `${host} ${address}`)
      }
    }
  })

  it('on one address takes no other, and on localhost both loopback addresses', async () => {
    for (const [host, reachable] of [
      ['127.0.0.1', [false, true]],
      ['::1', [true, false]],
      ['0.0.0.0', [false, true]],
      ['localhost', [true, true]],
      ['LOCALHOST', [true, true]],
    ] as const) {
      await using server = await listenHttp(host)
      assert.deepEqual(await Promise.all(['[::1]', '127.0.0.1'].map(server.isReachable)), reachable, host)
      await using service = await startService(async () => noProduct, { host })
      for (const [index, name] of ['[::1]', '127.0.0.1'].entries()) {
        using client = openClient(service.port, name)
        const isServed = await client.getProduct(7).then(
          () => true,
          () => false,
        )
        assert.equal(isServed, reachable[index], `${host} ${name}`)
      }
    }
  })

  it('says that HOST is the reason when it is no address of this machine', async () => {
    for (const [host, reason] of [
      ['192.0.2.1', 'this machine does not have the address'],
      ['2001:db8::1', 'this machine does not have the address'],
      ['shop.invalid', 'the name cannot be resolved'],
    ] as const) {
      const expected = new OperatorError(`Cannot listen on HOST ${host}: ${reason}.`)
      await assert.rejects(listenHttp(host), expected, host)
      await assert.rejects(
        startService(async () => noProduct, { host }),
        expected,
        host,
      )
    }
  })

  it('on localhost takes no other address of the machine', async () => {
    await using server = await listenHttp('localhost')
    await using service = await startService(async () => noProduct, { host: 'localhost' })
    for (const port of [server.port, service.port]) {
      // All of 127.0.0.0/8 is this machine; a listener on 0.0.0.0 or :: would take it.
      const socket = connect({ host: '127.0.0.2', port })
      await assert.rejects(once(socket, 'connect'), { code: 'ECONNREFUSED' })
    }
  })

  it('over gRPC does not answer HTTP/1.1, the only one that browsers speak without TLS', async () => {
    let calls = 0
    const getProduct = async () => {
      calls += 1
      return noProduct
    }
    await using service = await startService(getProduct, { host: 'localhost' })
    const head = 'POST /product.ProductService/GetProduct HTTP/1.1\r\nHost: localhost\r\n'
    for (const headers of [
      'Content-Type: application/grpc\r\nContent-Length: 7\r\n\r\n\0\0\0\0\x02\x08\x07',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    ]) {
      const response = await readAll(await openTo(service.port, '127.0.0.1')(head + headers))
      assert.doesNotMatch(response, /HTTP\/1/)
    }
    assert.equal(calls, 0)
  })

  it('falls back to IPv4 only where there is no IPv6, and only from ::', async () => {
    const addressesFor = (host: string, code: string) =>
      addressesTried(host, code, (text) => text.includes(':'))
    assert.deepEqual(await addressesFor('::', 'EAFNOSUPPORT'), [['::', '0.0.0.0'], ['0.0.0.0']])
    assert.deepEqual(await addressesFor('::', 'EADDRNOTAVAIL'), [['::', '0.0.0.0'], ['0.0.0.0']])
    assert.deepEqual(await addressesFor('::', 'EADDRINUSE'), [['::'], 'listen'])
    assert.deepEqual(await addressesFor('::1', 'EAFNOSUPPORT'), [
      ['::1'],
      'Cannot listen on HOST ::1: this machine has no IPv6.',
    ])
  })

  it('on localhost takes the loopback addresses that the machine has, and needs one of them', async () => {
    const both = ['127.0.0.1', '::1']
    const missing = 'Cannot listen on HOST localhost: this machine does not have the address.'
    const ipv6 = (address: string) => address.includes(':')
    const ipv4 = (address: string) => !ipv6(address)
    for (const [code, fails, result] of [
      ['EAFNOSUPPORT', ipv6, ['127.0.0.1']],
      ['EADDRNOTAVAIL', ipv6, ['127.0.0.1']],
      ['EADDRNOTAVAIL', ipv4, ['::1']],
      ['EADDRNOTAVAIL', () => true, missing],
      ['EADDRINUSE', ipv6, 'listen'],
    ] as const)
      assert.deepEqual(await addressesTried('localhost', code, fails), [both, result], code)
  })

  it('on localhost needs its port on both addresses', async () => {
    for (const holderHost of ['127.0.0.1', '::1']) {
      await using holder = createServer().listen(0, holderHost)
      await once(holder, 'listening')
      const { port } = holder.address() as AddressInfo
      await using server = await startServer()
      await assert.rejects(server.listen(port, 'localhost'), { code: 'EADDRINUSE', port })
      const service = startService(async () => noProduct, { port, host: 'localhost' })
      await assert.rejects(service, { code: 'EADDRINUSE', port })
    }
  })

  it('does not blame HOST for a port that is in use', async () => {
    await using holder = createServer().listen(0, '0.0.0.0')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    await using server = await startServer()
    await assert.rejects(server.listen(port, '::'), { code: 'EADDRINUSE' })
    await assert.rejects(
      startService(async () => noProduct, { port }),
      { code: 'EADDRINUSE' },
    )
  })
})
