import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { after, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { BadRequest, ErrorInfo, RequestInfo, RetryInfo, Status } from '@shop/contracts/google/rpc/errors.ts'
import { AppError, type ErrorDetails, invalid } from '@shop/kernel/errors.ts'
import { openClient, startService } from '../support/grpc.ts'

const codecs = { ErrorInfo, RequestInfo, BadRequest, RetryInfo }
const statusKey = 'grpc-status-details-bin'
const errorInfo = (reason: string, metadata: Record<string, string> = {}) => ({
  reason,
  domain: 'product.ProductService',
  metadata,
})

/** Decodes the details of a failed call: name of the message → its content. */
const detailsOf = (encoded: unknown) => {
  assert.ok(Buffer.isBuffer(encoded), `${statusKey} is missing`)
  const { code, message, details } = Status.decode(encoded)
  const decoded = details.map(({ typeUrl, value }) => {
    const name = typeUrl.replace('type.googleapis.com/google.rpc.', '') as keyof typeof codecs
    return [name, codecs[name].decode(value)]
  })
  return { code, message, ...Object.fromEntries(decoded) }
}

describe('the google.rpc details of an error', async () => {
  let thrown: unknown
  let overloaded = false
  let waitMs = 0
  const service = await startService(
    async () => {
      await delay(waitMs)
      throw thrown
    },
    { isOverloaded: () => overloaded, trustProxy: 'loopback' },
  )
  const { client, ...connection } = openClient(service.port)
  after(() => {
    connection[Symbol.dispose]()
    return service.close()
  })

  const sent = () => {
    const metadata = new Metadata()
    metadata.set('x-request-id', 'req-1')
    return metadata
  }

  /** Makes the service throw the error. Returns what a client receives. */
  const receive = async (error: unknown) => {
    thrown = error
    const received = await new Promise<ServiceError>((resolve, reject) => {
      client.getProduct({ id: 7 }, sent(), (failure) =>
        failure ? resolve(failure) : reject(new Error('the call succeeded')),
      )
    })
    return { received, details: detailsOf(received.metadata.get(statusKey)[0]) }
  }

  it('are the violations, with paths of protobuf fields, if the input is invalid', async () => {
    const paths = ['/name', '/ids/3', '/items/0/quantity', '/attributes/a~1b', '']
    const error = invalid(...paths.map((path) => ({ path, message: 'must not be empty' })))
    const { received, details } = await receive(error)
    assert.deepEqual(details, {
      code: status.INVALID_ARGUMENT,
      message: received.details,
      ErrorInfo: errorInfo('INVALID'),
      RequestInfo: { requestId: 'req-1' },
      BadRequest: {
        fieldViolations: ['name', 'ids[3]', 'items[0].quantity', 'attributes["a/b"]', ''].map((field) => ({
          field,
          description: 'must not be empty',
        })),
      },
    })
    assert.deepEqual(received.metadata.get('error-code'), ['invalid'], 'as clients of 0.1.0 expect')
  })

  it('are the code and the facts as strings', async () => {
    const facts: ErrorDetails = { available: 3, requested: 5, reason: 'open', lines: [{ product_id: 7 }] }
    const { details } = await receive(
      new AppError('conflict', 'only 3 left', { code: 'insufficient_stock', details: facts }),
    )
    assert.deepEqual(details, {
      code: status.FAILED_PRECONDITION,
      message: 'only 3 left',
      ErrorInfo: errorInfo('INSUFFICIENT_STOCK', {
        available: '3',
        requested: '5',
        reason: 'open',
        lines: '[{"product_id":7}]',
      }),
      RequestInfo: { requestId: 'req-1' },
    })
  })

  it('tell when to try again, as Retry-After does over HTTP', async () => {
    const retryInfo = { retryDelay: { seconds: 1, nanos: 0 } }
    for (const kind of ['unavailable', 'rate_limited'] as const)
      assert.deepEqual((await receive(new AppError(kind, 'later'))).details.RetryInfo, retryInfo)
    const later = new AppError('rate_limited', 'later', { retryAfterSeconds: 72 })
    assert.deepEqual((await receive(later)).details.RetryInfo, { retryDelay: { seconds: 72, nanos: 0 } })
    assert.equal((await receive(new AppError('stale', 'stale'))).details.RetryInfo, undefined)
    assert.equal((await receive(new AppError('payload_too_large', 'too large'))).details.RetryInfo, undefined)
    overloaded = true
    const { details } = await receive(undefined)
    overloaded = false
    assert.deepEqual([details.ErrorInfo, details.RetryInfo], [errorInfo('UNAVAILABLE'), retryInfo])
  })

  it('reveal nothing of a bug but the request id', async () => {
    const internal = new AppError('internal', 'secret', { code: 'secret', details: { fact: 'secret' } })
    for (const error of [new TypeError('secret'), internal, 'secret', undefined]) {
      const { received, details } = await receive(error)
      assert.deepEqual(details, {
        code: status.INTERNAL,
        message: 'something went wrong on our side',
        ErrorInfo: errorInfo('INTERNAL'),
        RequestInfo: { requestId: 'req-1' },
      })
      assert.doesNotMatch(JSON.stringify(received.metadata.getMap()), /secret/)
    }
  })

  const identity = (bytes: Buffer) => bytes
  const callRaw = (path: string, bytes: Buffer) =>
    new Promise<ServiceError>((resolve, reject) => {
      client.makeUnaryRequest(path, identity, identity, bytes, sent(), (error) =>
        error ? resolve(error) : reject(new Error('the call succeeded')),
      )
    })

  it('exist for a message that cannot be decoded', async () => {
    const { metadata } = await callRaw('/product.ProductService/GetProduct', Buffer.from([0x08]))
    assert.deepEqual(detailsOf(metadata.get(statusKey)[0]).BadRequest.fieldViolations, [
      { field: '', description: 'must be a valid protobuf message with UTF-8 strings' },
    ])
  })

  it('exist for the errors of the library', async () => {
    const tooLarge = await callRaw('/product.ProductService/GetProduct', Buffer.alloc(65_537))
    assert.deepEqual(detailsOf(tooLarge.metadata.get(statusKey)[0]), {
      code: status.RESOURCE_EXHAUSTED,
      message: tooLarge.details,
      ErrorInfo: errorInfo('PAYLOAD_TOO_LARGE'),
      RequestInfo: { requestId: 'req-1' },
    })
    const notServed = await callRaw('/product.ProductService/ListProducts', Buffer.alloc(0))
    assert.deepEqual(detailsOf(notServed.metadata.get(statusKey)[0]).ErrorInfo, errorInfo('UNIMPLEMENTED'))
    const unknown = await callRaw('/product.ProductService/Rename', Buffer.alloc(0))
    assert.deepEqual([unknown.code, unknown.metadata.get(statusKey)], [status.UNIMPLEMENTED, []])
  })

  /** The size of the header list that a call of GetProduct responds with, as RFC 9113 §6.5.2 counts it. */
  const headerListSize = async (): Promise<number> => {
    const session = connect(`http://127.0.0.1:${service.port}`)
    const call = session.request({
      ':method': 'POST',
      ':path': '/product.ProductService/GetProduct',
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-request-id': 'r'.repeat(128),
    })
    call.end(Buffer.alloc(5))
    const [headers] = await once(call, 'response')
    session.destroy()
    const entries = Object.entries<string | string[]>(headers)
    return entries.reduce((size, [name, value]) => size + name.length + String(value).length + 32, 0)
  }

  it('leave out violations, and say how many, if the metadata would be too large for clients', async () => {
    for (const text of ['must be a whole number', '必须是整数', '😀'.repeat(400)]) {
      const errors = Array.from({ length: 1_000 }, (_, index) => ({ path: `/ids/${index}`, message: text }))
      const facts = Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [`fact_${index}`, '漢'.repeat(50)]),
      )
      const error = new AppError('invalid', invalid(...errors).message, { details: { errors, ...facts } })
      const { received, details } = await receive(error)
      assert.match(received.details, /^ids\/0 .* … \(shortened\)$/)
      assert.equal(details.message, received.details)
      const count = details.BadRequest.fieldViolations.length
      assert.equal(details.ErrorInfo.metadata.omitted_errors, String(1_000 - count))
      assert.equal(details.RequestInfo.requestId, 'req-1')
      const size = await headerListSize()
      assert.ok(size <= 8_192, `${size} bytes`)
      assert.ok(text.length > 100 || count > 20, `${count} violations`)
    }
  })

  it('exist when the server ends a call whose deadline has passed', async () => {
    waitMs = 200
    const session = connect(`http://127.0.0.1:${service.port}`)
    const call = session.request({
      ':method': 'POST',
      ':path': '/product.ProductService/GetProduct',
      'content-type': 'application/grpc',
      'grpc-timeout': '20m',
      te: 'trailers',
    })
    call.end(Buffer.alloc(5))
    const [headers] = await once(call, 'response')
    session.destroy()
    waitMs = 0
    assert.equal(Number(headers['grpc-status']), status.DEADLINE_EXCEEDED)
    const { ErrorInfo: info } = detailsOf(Buffer.from(headers[statusKey], 'base64'))
    assert.deepEqual(info, errorInfo('DEADLINE_EXCEEDED'))
  })
})
