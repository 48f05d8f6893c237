import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { descriptors } from '@shop/contracts/descriptors.ts'
import { ErrorInfo, RetryInfo, Status } from '@shop/contracts/google/rpc/errors.ts'
import type { Context } from '@shop/kernel/context.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { checkServing } from '../../src/grpc/client.ts'
import { grpcHealth, grpcReflection } from '../../src/grpc/health-and-reflection.ts'
import { createHealth } from '../../src/health/health.ts'
import { requestContext } from '../../src/request-context.ts'
import { openClient, startService } from '../support/grpc.ts'
import { rawConnection } from '../support/raw-grpc.ts'

const front: Principal = { kind: 'machine', name: 'front', scopes: new Set(['unlimited']) }
const ann: Principal = { kind: 'user', subject: 'ann', scopes: new Set() }

type Options = Parameters<typeof startService>[1]

const open = async (options: Options = {}) => {
  const stack = new AsyncDisposableStack()
  const limited: boolean[] = []
  const health = createHealth('test-service', '1.0.0', [])
  const healthService = grpcHealth(health, 'product.ProductService')
  await healthService.refresh()
  const service = stack.use(
    await startService(
      async () => {
        limited.push((requestContext.getStore() as Partial<Context> | undefined)?.allowance !== undefined)
        return { product: undefined }
      },
      { ratesConfig: { reads: 2, writes: 1 }, extensions: [healthService], ...options },
    ),
  )
  const { client } = stack.use(openClient(service.port))
  /** Resolves with the error; undefined if the call succeeds. */
  const call = (entries: Readonly<Record<string, string>> = {}) => {
    const metadata = new Metadata()
    for (const [name, value] of Object.entries(entries)) metadata.set(name, value)
    return new Promise<ServiceError | undefined>((resolve) => {
      client.getProduct({ id: 1 }, metadata, { deadline: Date.now() + 5_000 }, (error) =>
        resolve(error ?? undefined),
      )
    })
  }
  const codes = async (...calls: Readonly<Record<string, string>>[]) => {
    const seen: status[] = []
    for (const entries of calls) seen.push((await call(entries))?.code ?? status.OK)
    return seen
  }
  return { ...service, client, call, codes, limited, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const { OK, RESOURCE_EXHAUSTED } = status

describe('the rate limits of a gRPC server', () => {
  it('refuse with the code and the time to wait, before the handler is called', async () => {
    await using service = await open()
    assert.deepEqual(await service.codes({}, {}), [OK, OK])
    const error = await service.call()
    assert.equal(error?.code, RESOURCE_EXHAUSTED)
    assert.equal(error.metadata.get('error-code')[0], 'rate_limited')
    const [encoded] = error.metadata.get('grpc-status-details-bin')
    assert.ok(Buffer.isBuffer(encoded))
    const { details } = Status.decode(encoded)
    const valueOf = (name: string) =>
      details.find(({ typeUrl }) => typeUrl.endsWith(name))?.value ?? Buffer.of()
    assert.equal(ErrorInfo.decode(valueOf('ErrorInfo')).reason, 'RATE_LIMITED')
    const seconds = RetryInfo.decode(valueOf('RetryInfo')).retryDelay?.seconds ?? 0
    assert.ok(seconds > 50 && seconds <= 60, `${seconds}`)
    assert.equal(error.details, `more than 2 points of reads within 60 s, try again in ${seconds} s`)
    assert.deepEqual(service.limited, [true, true])
    const line = service.lines.find(({ status: sent }) => sent === 'RESOURCE_EXHAUSTED')
    assert.ok(line)
  })

  it('are apart for methods that write', async () => {
    await using service = await open({ ratesConfig: { reads: undefined, writes: 1 }, writes: ['getProduct'] })
    assert.deepEqual(await service.codes({}, {}), [OK, RESOURCE_EXHAUSTED])
    await using other = await open({ ratesConfig: { reads: undefined, writes: 1 } })
    assert.deepEqual(await other.codes({}, {}), [OK, OK])
  })

  it('count each message of a stream of requests', async () => {
    await using service = await open({
      ratesConfig: { reads: 4, writes: 1 },
      extensions: [grpcReflection(descriptors)],
    })
    using connection = rawConnection(service.port)
    const method = 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
    const listServices = Buffer.from([0x3a, 0x01, 0x2a])
    const reflect = (count: number) => {
      const { ended, send, stream } = connection.call(method, { end: false })
      for (let left = count; left > 0; left--) send(listServices)
      stream.end()
      return ended
    }
    assert.equal((await reflect(2)).status, OK)
    const refused = await reflect(100)
    assert.equal(refused.status, RESOURCE_EXHAUSTED)
    assert.ok(refused.details.includes('RetryInfo'), refused.details.join())
    assert.deepEqual(await service.codes({}), [RESOURCE_EXHAUSTED])
    const text = await service.metrics.registry.metrics()
    assert.match(text, /^requests_refused_total\{reason="rate_reads",scope="client",.*\} 2$/m)
    assert.equal(service.lines.filter(({ rpc }) => rpc === method).length, 2)
  })

  it('never refuse health checks', async () => {
    await using service = await open({ ratesConfig: { reads: 1, writes: 1 } })
    for (let count = 0; count < 5; count++)
      await checkServing(service.client, 'product.ProductService', 5_000)
  })

  it('are those of the caller, also if it takes a while to find, and not of one with the scope unlimited', async () => {
    const principals = new Map<string, Principal>([
      ['front', front],
      ['ann', ann],
    ])
    await using service = await open({
      ratesConfig: { reads: 1, writes: 1 },
      identify: async (authorization) => principals.get(authorization ?? '') ?? anonymous,
    })
    const as = (authorization: string) => ({ authorization })
    assert.deepEqual(await service.codes({}, {}, as('ann'), as('ann')), [
      OK,
      RESOURCE_EXHAUSTED,
      OK,
      RESOURCE_EXHAUSTED,
    ])
    assert.deepEqual(await service.codes(as('front'), as('front'), as('front')), [OK, OK, OK])
    assert.equal(service.limited.at(-1), false)
  })

  it('believe X-Forwarded-For of trusted peers only', async () => {
    const calls = ['203.0.113.1', '203.0.113.2', '203.0.113.3'].map((address) => ({
      'x-forwarded-for': address,
    }))
    await using untrusting = await open()
    assert.deepEqual(await untrusting.codes(...calls), [OK, OK, RESOURCE_EXHAUSTED])
    await using trusting = await open({ trustProxy: 'loopback' })
    assert.deepEqual(await trusting.codes(...calls), [OK, OK, OK])
    assert.deepEqual(await trusting.codes({}, {}, {}), [OK, OK, OK])
  })
})
