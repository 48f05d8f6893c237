import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { treeOf } from '@shop/testing/observability/otlp.ts'
import { inRequest, spansOf } from '@shop/testing/observability/tracing.ts'
import { channelTo } from '../../src/grpc/channel.ts'
import { callUnary } from '../../src/grpc/client.ts'
import { traceCalls } from '../../src/grpc/tracing.ts'
import { requestContext } from '../../src/request-context.ts'
import { startService } from '../support/grpc.ts'

const method = 'product.ProductService/GetProduct'

/** Calls GetProduct and returns the spans. `within` runs the call, by default inside a request. */
const spansOfCall = (id: number, within: typeof inRequest = inRequest) =>
  spansOf(async () => {
    await using service = await startService(
      async (request) => {
        if (request.id === 0) throw new AppError('not_found', 'product 0 not found')
        if (request.id < 0) throw new TypeError('bug')
        return { product: undefined }
      },
      { trustProxy: 'loopback' },
    )
    const [target, credentials, options] = channelTo(`127.0.0.1:${service.port}`)
    const client = new ProductServiceClient(target, credentials, { ...options, interceptors: [traceCalls] })
    const call = () => callUnary(client.getProduct.bind(client), { id }, 10_000)
    try {
      await within('request', () => requestContext.run({ requestId: 'r-1' }, call)).catch(() => {})
    } finally {
      client.close()
    }
  })

describe('a call to another service', () => {
  it('has a client span, and within it a server span with the request id', async () => {
    const spans = await spansOfCall(7)
    assert.equal(
      treeOf(spans, ''),
      [
        'test-service server request',
        `  test-service client ${method}`,
        `    test-service server ${method}`,
        '',
      ].join('\n'),
    )
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    const attributes = {
      'rpc.system.name': 'grpc',
      'rpc.method': method,
      'rpc.response.status_code': 'OK',
    }
    const [server, client] = spans
    assert.deepEqual(server?.attributes, { ...attributes, request_id: 'r-1' })
    assert.deepEqual(client?.attributes, attributes)
  })

  for (const [outcome, id, status, code, failed] of [
    ['a client error', 0, 'NOT_FOUND', 'not_found', false],
    ['a bug', -1, 'INTERNAL', 'internal', true],
  ] as const)
    it(`has the status and the code of ${outcome} in both spans`, async () => {
      const spans = (await spansOfCall(id)).filter(({ name }) => name === method)
      assert.deepEqual(
        spans.map((span) => [
          span.kind,
          span.attributes['rpc.response.status_code'],
          span.attributes['error.type'],
          span.failed,
        ]),
        [
          ['server', status, code, failed],
          ['client', status, code, failed],
        ],
      )
    })

  it('has no client span outside of a request, and starts a new trace in the service', async () => {
    const [span, ...more] = await spansOfCall(7, (_name, work) => work())
    assert.deepEqual([span?.kind, span?.parentId, more], ['server', '', []])
  })
})
