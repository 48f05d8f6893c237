import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ClientUnaryCall, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { ProductServiceService } from '@shop/contracts/product/product.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { freePort } from '@shop/testing/services/services.ts'
import { proxyOn } from '@shop/testing/services/tcp.ts'
import { checkServing } from '../../src/grpc/client.ts'
import { grpcHealth } from '../../src/grpc/health-and-reflection.ts'
import { setJoinedIds } from '../../src/grpc/ids/joined-ids.ts'
import { createGrpcServer } from '../../src/grpc/server.ts'
import { createHealth } from '../../src/health/health.ts'
import { createLimits, defaultLimits } from '../../src/limits/limits.ts'
import { createMetrics } from '../../src/metrics/metrics.ts'
import { requestContext } from '../../src/request-context.ts'
import { openClient } from '../support/grpc.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const traceId = '0af7651916cd43dd8448eb211c80319c'
const callerId = 'b7ad6b7169203331'

type Client = ReturnType<typeof openClient>['client']

/** A service that throws for the id 0, with the health service. It trusts the peers in these networks. */
const start = async (trustProxy?: string) => {
  const seen: unknown[] = []
  const { logger, lines } = recordingLogger()
  const getProduct = async ({ id }: { id: number }) => {
    const { requestId, joinedIds } = requestContext.getStore() ?? {}
    seen.push([requestId, joinedIds?.()])
    if (id === 0) throw new TypeError('bug')
    return { product: undefined }
  }
  const metrics = createMetrics('test-service', '1.0.0')
  const limits = createLimits(defaultLimits, trustProxy ?? 'off', metrics)
  const options = { logger, metrics, limits, ...(trustProxy !== undefined && { trustProxy }) }
  const health = grpcHealth(createHealth('test-service', '1.0.0', []), 'product.ProductService')
  const server = createGrpcServer(ProductServiceService, { getProduct }, options, [health])
  return { port: await server.listen(0), seen, lines, [Symbol.asyncDispose]: server.close }
}

/** Starts a service that trusts 127.0.0.2 alone, with a client from 127.0.0.1 and one from 127.0.0.2. */
const startWithProxy = async () => {
  await using stack = new AsyncDisposableStack()
  const service = stack.use(await start('127.0.0.2'))
  const proxyPort = await freePort()
  const target = { host: '127.0.0.1', port: service.port, localAddress: '127.0.0.2' }
  const proxy = stack.use(proxyOn(proxyPort, target))
  await proxy.start()
  const stranger = stack.use(openClient(service.port)).client
  const trusted = stack.use(openClient(proxyPort)).client
  const owned = stack.move()
  return { ...service, stranger, trusted, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** Metadata that names the ids of others. */
const idsOfOthers = (flags = '01') => {
  const metadata = new Metadata()
  metadata.set('x-request-id', 'victim')
  setJoinedIds(metadata, ['victim-2', 'victim 3'])
  metadata.set('traceparent', `00-${traceId}-${callerId}-${flags}`)
  metadata.set('tracestate', 'vendor=text-of-a-stranger')
  return metadata
}

/** Resolves with the metadata of the response, or of the error. */
const receivedBy = (call: (callback: (error: ServiceError | null) => void) => ClientUnaryCall) =>
  new Promise<Metadata>((resolve) => {
    call((error) => error !== null && resolve(error.metadata)).once('metadata', resolve)
  })

const idFrom = async (client: Client, id: number) =>
  (await receivedBy((done) => client.getProduct({ id }, idsOfOthers(), done))).get('x-request-id')[0]

describe('the ids in the metadata of a call', () => {
  it('become those of the call only if its peer is trusted', async () => {
    await using service = await startWithProxy()
    const own = [await idFrom(service.stranger, 7), await idFrom(service.stranger, 0)]
    for (const id of own) assert.match(String(id), uuid)
    assert.deepEqual(
      [await idFrom(service.trusted, 7), await idFrom(service.trusted, 0)],
      ['victim', 'victim'],
    )
    const ofTrusted = ['victim', ['victim-2', 'victim 3']]
    assert.deepEqual(service.seen, [[own[0], undefined], [own[1], undefined], ofTrusted, ofTrusted])
  })

  it('are dropped, but for the request id on the line of the call, if its peer is not trusted', async () => {
    await using service = await startWithProxy()
    await idFrom(service.stranger, 0)
    assert.deepEqual(
      service.lines.map(({ msg, client_request_id }) => [msg, client_request_id]),
      [
        ['call failed', undefined],
        ['call', 'victim'],
      ],
    )
    assert.equal(JSON.stringify(service.lines).split('victim').length, 2)
    service.lines.length = 0
    await idFrom(service.trusted, 7)
    assert.deepEqual(
      service.lines.map((line) => 'client_request_id' in line),
      [false],
    )
  })

  it('are not logged if they are malformed', async () => {
    await using service = await startWithProxy()
    const metadata = new Metadata()
    metadata.set('x-request-id', 'A'.repeat(129))
    await receivedBy((done) => service.stranger.getProduct({ id: 7 }, metadata, done))
    assert.deepEqual(
      service.lines.map((line) => 'client_request_id' in line),
      [false],
    )
  })

  it('are judged by the connection, also if it is IPv6', async () => {
    for (const [trustProxy, expected] of [
      ['::1', ['victim', 'new']],
      ['127.0.0.1', ['new', 'victim']],
      ['loopback', ['victim', 'victim']],
      ['off', ['new', 'new']],
      [undefined, ['new', 'new']],
    ] as const) {
      await using service = await start(trustProxy)
      const ids = ['[::1]', '127.0.0.1'].map(async (host) => {
        using caller = openClient(service.port, host)
        const id = String(await idFrom(caller.client, 7))
        return uuid.test(id) ? 'new' : id
      })
      assert.deepEqual(await Promise.all(ids), expected, String(trustProxy))
    }
  })

  it('do not become those of an error of the library or of the health service either', async () => {
    await using service = await startWithProxy()
    const identity = (bytes: Buffer) => bytes
    for (const [path, bytes, code] of [
      ['/product.ProductService/GetProduct', Buffer.alloc(65_537), status.RESOURCE_EXHAUSTED],
      ['/product.ProductService/ListProducts', Buffer.alloc(0), status.UNIMPLEMENTED],
      ['/grpc.health.v1.Health/Check', Buffer.from([0x0a, 0x01, 0x78]), status.NOT_FOUND],
    ] as const) {
      const idOf = (client: Client) =>
        new Promise<unknown>((resolve) => {
          client.makeUnaryRequest(path, identity, identity, bytes, idsOfOthers(), (error) => {
            assert.equal(error?.code, code)
            resolve(error.metadata.get('x-request-id')[0])
          })
        })
      assert.match(String(await idOf(service.stranger)), uuid, path)
      assert.equal(await idOf(service.trusted), 'victim', path)
    }
    await assert.rejects(checkServing(service.stranger, '', 5_000), { message: ' is not serving' })
  })
})

describe('the trace that a call names', () => {
  const spansOfCall = (from: 'stranger' | 'trusted', flags: string, config = {}) =>
    spansOf(async () => {
      await using service = await startWithProxy()
      await receivedBy((done) => service[from].getProduct({ id: 7 }, idsOfOthers(flags), done))
    }, config)

  it('is joined by the call of a trusted peer, and only linked by that of another', async () => {
    const [joined] = await spansOfCall('trusted', '01')
    assert.deepEqual([joined?.traceId, joined?.parentId, joined?.links], [traceId, callerId, []])
    const [linked] = await spansOfCall('stranger', '01')
    assert.notEqual(linked?.traceId, traceId)
    assert.deepEqual([linked?.parentId, linked?.links], ['', [callerId]])
  })

  it('does not decide whether a call of another peer is sampled', async () => {
    const ratio = { sampler: 'parentbased_traceidratio', samplerRatio: 0 }
    for (const [from, flags, config, count] of [
      ['trusted', '01', ratio, 1],
      ['stranger', '01', ratio, 0],
      ['trusted', '00', {}, 0],
      ['stranger', '00', {}, 1],
    ] as const)
      assert.equal((await spansOfCall(from, flags, config)).length, count, `${from} ${flags}`)
  })
})
