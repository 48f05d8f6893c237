import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import { descriptors } from '@shop/contracts/descriptors.ts'
import { GetProductRequest, Product } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import type { CallTimes } from '../../src/grpc/calls/call-server.ts'
import { type GrpcExtension, grpcHealth, grpcReflection } from '../../src/grpc/health-and-reflection.ts'
import { createHealth } from '../../src/health/health.ts'
import { requestContext } from '../../src/request-context.ts'
import { startService } from '../support/grpc.ts'
import { type CallEnd, rawConnection } from '../support/raw-grpc.ts'

const kib = 1024
const getProduct = 'product.ProductService/GetProduct'
const check = 'grpc.health.v1.Health/Check'
const watch = 'grpc.health.v1.Health/Watch'
const reflection = 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo'

const attacker = '127.0.0.9'

/** A call whose response has this many bytes, and a few more. With 0, there is no response until the caller leaves. */
const get = (bytes: number) => ({ message: Buffer.from(GetProductRequest.encode({ id: bytes }).finish()) })
const neverEnding = get(0)
const { OK, RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED } = status
const wasReset: CallEnd = {
  status: undefined,
  reset: constants.NGHTTP2_ENHANCE_YOUR_CALM,
  details: [],
}
const refused = ['ErrorInfo', 'RequestInfo', 'RetryInfo']

const product = Product.decode(new Uint8Array())

const echo = 'test.Echo/Echo'

/** A method that responds to each request of a stream with the same bytes. */
const echoes = (echoed: Buffer[]): GrpcExtension => ({
  addToServer: ({ addService }) => {
    const identity = (bytes: Buffer) => bytes
    const codecs = { requestSerialize: identity, responseDeserialize: identity }
    const method = {
      ...codecs,
      path: `/${echo}`,
      requestStream: true,
      responseStream: true,
      requestDeserialize: identity,
      responseSerialize: identity,
    }
    addService(
      { echo: method },
      {
        echo: (stream: ServerDuplexStream<Buffer, Buffer>) => {
          stream.on('data', (bytes: Buffer) => {
            echoed.push(bytes)
            stream.write(bytes)
          })
        },
      },
    )
  },
})

/** A service with eight calls, two for each client, and 400 KiB of responses, 100 KiB for each. */
const start = async (callTimes: Partial<CallTimes> = {}) => {
  const clients: unknown[] = []
  const echoed: Buffer[] = []
  const health = grpcHealth(createHealth('test-service', '1.0.0', []), 'product.ProductService')
  await health.refresh()
  const service = await startService(
    ({ id }) => {
      const { client, signal } = requestContext.getStore() ?? {}
      clients.push(client)
      if (id > 0) return Promise.resolve({ product: { ...product, description: 'x'.repeat(id) } })
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason))
      })
    },
    {
      trustProxy: '127.0.0.3',
      limitsConfig: { maxCalls: 8, maxResponseBytes: 400 * kib, evictAfterMs: 0 },
      callTimes: { lingerMs: 100, checkMs: 20, ...callTimes },
      extensions: [health, grpcReflection(descriptors), echoes(echoed)],
    },
  )
  /** The samples of a metric: its labels and values. */
  const samplesOf = async (metric: string): Promise<string[]> =>
    (await service.metrics.scrape(false)).text
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`))
      .map((line) => line.slice(metric.length).replace(/,?service="test-service",?/, ''))
  return { ...service, clients, echoed, samplesOf }
}

describe('the calls of a gRPC server', () => {
  let service: Awaited<ReturnType<typeof start>>
  before(async () => {
    service = await start()
  })
  beforeEach(async () => {
    await eventually(5_000, async () => assert.equal(service.limits.calls.used(), 0))
    service.lines.length = 0
  })
  after(() => service.close())

  const connect = (options: Parameters<typeof rawConnection>[1] = {}) => rawConnection(service.port, options)

  /** Resolves when this many calls are in progress. */
  const untilInProgress = (count: number) =>
    eventually(5_000, async () => assert.equal(service.limits.calls.used(), count))

  it('are refused above the share of their client, before their message is read', async () => {
    using others = connect()
    {
      using connection = connect({ from: attacker })
      for (let call = 0; call < 2; call++) connection.call(getProduct, neverEnding)
      await untilInProgress(2)
      const third = await connection.call(getProduct, { end: false }).ended
      assert.deepEqual([third.status, third.details], [RESOURCE_EXHAUSTED, refused])
      assert.equal((await connection.call(reflection, { end: false }).ended).status, RESOURCE_EXHAUSTED)
      assert.equal((await connection.call(watch).ended).status, RESOURCE_EXHAUSTED)
      assert.equal((await others.call(getProduct, get(1)).ended).status, OK)
    }
    await untilInProgress(0)
    using again = connect({ from: attacker })
    assert.equal((await again.call(getProduct, get(1)).ended).status, OK)
  })

  it('are refused above the total, with one line of the failure and a line for each call', async () => {
    using stack = new DisposableStack()
    for (const from of ['127.0.0.11', '127.0.0.12', '127.0.0.13', '127.0.0.14']) {
      const connection = stack.use(connect({ from }))
      for (let call = 0; call < 2; call++) connection.call(getProduct, neverEnding)
    }
    await untilInProgress(8)
    using other = connect()
    for (let call = 0; call < 3; call++) {
      const { status: code, details } = await other.call(getProduct, get(1)).ended
      assert.deepEqual([code, details], [UNAVAILABLE, refused])
    }
    assert.deepEqual(
      service.lines.map(({ msg, status: name, err }) => [msg, name, err !== undefined]),
      [['call failed', undefined, true], ...Array.from({ length: 3 }, () => ['call', 'UNAVAILABLE', false])],
    )
    assert.ok(
      (await service.samplesOf('requests_refused_total')).includes('{reason="calls",scope="total"} 3'),
    )
  })

  it('do not keep health checks from being answered, whatever their client does', async () => {
    using connection = connect({ from: attacker })
    for (let call = 0; call < 2; call++) connection.call(getProduct, neverEnding)
    await untilInProgress(2)
    using stack = new DisposableStack()
    // More than are served at a time, and none of them ends.
    const hanging = [60, 60].flatMap((count) => {
      const other = stack.use(connect({ from: attacker }))
      return Array.from({ length: count }, () => other.call(check, { end: false }))
    })
    const [first] = hanging
    assert.deepEqual(await first?.ended, wasReset)
    assert.equal((await connection.call(check).ended).status, OK)
  })

  it('use the share of the client that a trusted proxy names', async () => {
    using proxy = connect({ from: '127.0.0.3' })
    using stranger = connect({ from: '127.0.0.4' })
    const headers = { 'x-forwarded-for': '203.0.113.7, 198.51.100.9' }
    service.clients.length = 0
    for (const connection of [proxy, stranger])
      await connection.call(getProduct, { ...get(1), headers }).ended
    await proxy.call(getProduct, get(1)).ended
    assert.deepEqual(service.clients, ['198.51.100.9', '127.0.0.4', undefined])
  })

  it('are cut when their request arrives in many small pieces', async () => {
    using connection = connect({ from: attacker })
    const { stream, ended } = connection.call(getProduct, { end: false })
    stream.write(Buffer.from([0, 0, 0, 0xff, 0xff]))
    const send = () => {
      if (!stream.closed) stream.write(Buffer.alloc(1), send)
    }
    send()
    assert.deepEqual(await ended, wasReset)
  })

  it('are refused if they have more than 16 KiB of metadata', async () => {
    using connection = connect()
    const withMetadata = (bytes: number) =>
      connection.call(getProduct, { ...get(1), headers: { 'x-text': 'x'.repeat(bytes) } }).ended
    assert.equal((await withMetadata(16 * kib - 100)).status, OK)
    const { status: code, details } = await withMetadata(16 * kib)
    assert.deepEqual([code, details], [RESOURCE_EXHAUSTED, ['ErrorInfo', 'RequestInfo']])
    assert.equal(
      (await connection.call(check, { headers: { 'x-text': 'x'.repeat(17 * kib) } }).ended).status,
      RESOURCE_EXHAUSTED,
    )
  })

  it('of health may name unknown services, whose long names are shortened in errors', async () => {
    using connection = connect()
    const name = Buffer.concat([Buffer.from([0x0a, 0xe8, 0x07]), Buffer.alloc(1_000, 'x')])
    const watching = connection.call(watch, { message: name })
    const [data] = await once(watching.stream, 'data')
    assert.deepEqual([...data], [0, 0, 0, 0, 2, 0x08, 0x03], 'SERVICE_UNKNOWN')
    const checked = connection.call(check, {
      message: Buffer.concat([Buffer.from([0x0a, 0xd0, 0x0f]), Buffer.alloc(2_000, 'x')]),
    })
    const [headers] = await once(checked.stream, 'response')
    assert.ok(String(headers['grpc-message']).length <= 1_024)
    assert.equal((await checked.ended).status, status.NOT_FOUND)
  })

  it('are at most 100 on a connection', async () => {
    using connection = connect()
    const [settings] = await once(connection.session, 'remoteSettings')
    assert.equal(settings.maxConcurrentStreams, 100)
  })

  it('are measured and logged, each of them once, if the server has the method', async () => {
    using connection = connect()
    const request = { message: Buffer.from([0x3a, 0x01, 0x2a]) }
    for (const [method, call] of [
      [check, { message: Buffer.alloc(0) }],
      [check, { message: Buffer.from([0x0a, 0x01, 0x78]) }],
      ['grpc.health.v1.Health/List', { message: Buffer.alloc(0) }],
      [reflection, request],
      [getProduct, get(1)],
      ['product.ProductService/Unknown', get(1)],
    ] as const)
      await connection.call(method, call).ended
    const watching = connection.call(watch)
    await untilInProgress(1)
    watching.stream.close(constants.NGHTTP2_CANCEL)
    await untilInProgress(0)
    const lines = service.lines.map(({ rpc, status: name, level }) => [rpc, name, level])
    assert.deepEqual(lines, [
      [check, 'OK', 20],
      [check, 'NOT_FOUND', 20],
      ['grpc.health.v1.Health/List', 'OK', 20],
      [reflection, 'OK', 30],
      [getProduct, 'OK', 30],
      [watch, 'CANCELLED', 20],
    ])
    const samples = await service.samplesOf('rpc_server_call_duration_seconds_count')
    for (const [method, name] of lines)
      assert.ok(
        samples.some((sample) => sample.includes(`"${method}",rpc_response_status_code="${name}"`)),
        samples.join(),
      )
    assert.doesNotMatch(samples.join(), /Unknown/)
  })
})

describe('the responses of a gRPC server', () => {
  let service: Awaited<ReturnType<typeof start>>
  before(async () => {
    service = await start()
  })
  beforeEach(() => eventually(5_000, async () => assert.equal(service.limits.calls.used(), 0)))
  after(() => service.close())

  const connect = (options: Parameters<typeof rawConnection>[1] = {}) => rawConnection(service.port, options)

  /** Resolves when this many bytes wait for clients, up to what a message has around its text. */
  const untilUnread = (bytes: number) =>
    eventually(5_000, async () => {
      const used = service.limits.responseBytes.used()
      assert.ok(used >= bytes && used <= bytes + 100, `${used} bytes`)
    })

  it('are refused above the share of their client, unless they are small', async () => {
    using connection = connect({ from: attacker, window: 0 })
    connection.call(getProduct, get(95 * kib))
    await untilUnread(95 * kib)
    using reader = connect({ from: attacker })
    const { status: code, details } = await reader.call(getProduct, get(60 * kib)).ended
    assert.deepEqual([code, details], [RESOURCE_EXHAUSTED, refused])
    assert.equal((await reader.call(getProduct, get(15 * kib)).ended).status, OK)
    using other = connect()
    assert.equal((await other.call(getProduct, get(60 * kib)).ended).status, OK)
  })

  it('that have waited longest make room for others when the total is used up', async () => {
    using stack = new DisposableStack()
    const waiting: ReturnType<ReturnType<typeof connect>['call']>[] = []
    for (const [index, host] of [11, 12, 13, 14].entries()) {
      const connection = stack.use(connect({ from: `127.0.0.${host}`, window: 0 }))
      waiting.push(connection.call(getProduct, get(95 * kib)))
      await untilUnread((index + 1) * 95 * kib)
    }
    using other = connect()
    assert.equal((await other.call(getProduct, get(80 * kib)).ended).status, OK)
    assert.deepEqual(await waiting[0]?.ended, wasReset)
    assert.ok((await service.samplesOf('responses_cut_total')).includes('{reason="evicted"} 1'))
  })

  it('of a stream are awaited before its next request is read', async () => {
    const sendAll = async (window: number, expected: number) => {
      service.echoed.length = 0
      using connection = connect({ window })
      const call = connection.call(echo, { end: false })
      for (let request = 0; request < 50; request++) call.send(Buffer.alloc(10))
      await eventually(5_000, async () => assert.equal(service.echoed.length, expected))
      await delay(20)
      assert.equal(service.echoed.length, expected)
    }
    await sendAll(0, 1)
    await sendAll(65_535, 50)
  })
})

describe('the calls of a gRPC server with little time', () => {
  let service: Awaited<ReturnType<typeof start>>
  before(async () => {
    service = await start({ requestMs: 150, responseMs: 150 })
  })
  after(() => service.close())

  const connect = (options: Parameters<typeof rawConnection>[1] = {}) => rawConnection(service.port, options)

  it('end when their request does not arrive in time', async () => {
    using connection = connect({ from: attacker })
    const [bare, partial] = [{ end: false }, { message: Buffer.alloc(4), end: false }].map((call) =>
      connection.call(getProduct, call),
    )
    for (const call of [bare, partial]) {
      const ended = await call?.ended
      assert.deepEqual([ended?.status, ended?.details.length], [DEADLINE_EXCEEDED, 2])
    }
    assert.equal(service.lines.filter(({ status: name }) => name === 'DEADLINE_EXCEEDED').length, 2)
    assert.deepEqual(service.clients, [], 'no handler has run')
  })

  it('do not end while they run', async () => {
    using connection = connect()
    const { stream } = connection.call(getProduct, neverEnding)
    await delay(300)
    assert.equal(stream.closed, false)
  })

  it('are cut when their client does not take the response, and what they used is free again', async () => {
    using connection = connect({ from: attacker, window: 0 })
    const [large, small] = [60 * kib, kib].map((bytes) => connection.call(getProduct, get(bytes)))
    assert.deepEqual(await Promise.all([large?.ended, small?.ended]), [wasReset, wasReset])
    assert.equal(service.limits.responseBytes.used(), 0)
    assert.ok((await service.samplesOf('responses_cut_total')).includes('{reason="stalled"} 2'))
    using reader = connect({ from: attacker })
    assert.equal((await reader.call(getProduct, get(60 * kib)).ended).status, OK)
  })
})
