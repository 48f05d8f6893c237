import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { OperatorError } from '../src/config/operator-error.ts'
import { listenOn } from '../src/listen.ts'
import { openClient, startService } from './support/grpc.ts'
import { startServer } from './support/http-server.ts'

const noProduct = { product: undefined }

const listenHttp = async (host: string) => {
  const server = await startServer()
  await listenOn(host, (address) => server.app.listen({ host: address, port: 0 }))
  const { port, address } = server.app.server.address() as AddressInfo
  const isReachable = (name: string) =>
    fetch(`http://${name}:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
  return { ...server, port, address, isReachable }
}

const failure = (code: string) => Object.assign(new Error('listen'), { code })

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
    for (const host of ['::', '127.0.0.1', '::1']) {
      await using service = await startService(async () => noProduct, { host })
      service.stopListening()
      using client = openClient(service.port, host === '127.0.0.1' ? host : '[::1]')
      await assert.rejects(client.getProduct(7), host)
    }
  })

  it('on one address takes no other', async () => {
    for (const [host, reachable] of [
      ['127.0.0.1', [false, true]],
      ['::1', [true, false]],
      ['0.0.0.0', [false, true]],
      ['localhost', [false, true]],
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

  it('falls back to IPv4 only where there is no IPv6, and only from ::', async () => {
    const addressesFor = async (host: string, code: string) => {
      const addresses: string[] = []
      const result = await listenOn(host, async (address) => {
        addresses.push(address)
        if (address.includes(':')) throw failure(code)
      }).then(
        () => 'listening',
        (error: Error) => error.message,
      )
      return [addresses, result]
    }
    assert.deepEqual(await addressesFor('::', 'EAFNOSUPPORT'), [['::', '0.0.0.0'], 'listening'])
    assert.deepEqual(await addressesFor('::', 'EADDRNOTAVAIL'), [['::', '0.0.0.0'], 'listening'])
    assert.deepEqual(await addressesFor('::', 'EADDRINUSE'), [['::'], 'listen'])
    assert.deepEqual(await addressesFor('::1', 'EAFNOSUPPORT'), [
      ['::1'],
      'Cannot listen on HOST ::1: this machine has no IPv6.',
    ])
  })

  it('does not blame HOST for a port that is in use', async () => {
    await using holder = createServer().listen(0, '0.0.0.0')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    await using server = await startServer()
    await assert.rejects(
      listenOn('::', (host) => server.app.listen({ host, port })),
      { code: 'EADDRINUSE' },
    )
    await assert.rejects(
      startService(async () => noProduct, { port }),
      { code: 'EADDRINUSE' },
    )
  })
})
