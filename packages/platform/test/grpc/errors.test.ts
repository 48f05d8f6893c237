import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { AppError, type ErrorKind } from '@shop/kernel/errors.ts'
import { openClient, startService } from '../support/grpc.ts'

describe('an error over gRPC', async () => {
  let thrown: unknown
  const service = await startService(async () => {
    throw thrown
  })
  const { client, getProduct } = openClient(service.port)
  after(() => {
    client.close()
    return service.close()
  })
  /** Makes the service throw `value`. Returns what the caller receives, and the log lines at level error. */
  const callThatThrows = async (value: unknown) => {
    thrown = value
    service.lines.length = 0
    const received = await getProduct(7).catch((reason: unknown) => reason)
    assert.ok(received instanceof AppError)
    return { received, errors: service.lines.filter(({ level }) => level === 50) }
  }

  const kinds: [kind: ErrorKind, code?: string][] = [
    ['invalid'],
    ['unauthenticated'],
    ['forbidden'],
    ['not_found'],
    ['not_found', 'product_not_found'],
    ['conflict'],
    ['conflict', 'insufficient_stock'],
    ['gone', 'cursor_expired'],
    ['stale'],
    ['unprocessable'],
    ['precondition_required'],
    ['payload_too_large'],
    ['rate_limited'],
    ['unavailable'],
  ]
  for (const [kind, code] of kinds) {
    it(`keeps its kind (${kind}), code (${code ?? 'the default'}) and message`, async () => {
      const sent = new AppError(kind, 'product 7: žluť, 日本, 😀, 100 %', { code })
      const { received } = await callThatThrows(sent)
      assert.deepEqual(
        [received.kind, received.code, received.message],
        [kind, sent.code, 'product 7: žluť, 日本, 😀, 100 %'],
      )
    })
  }

  it('is received as internal, without its message, if it is a bug; message and cause are logged once', async () => {
    const cause = new Error('select secret from users')
    const { received, errors } = await callThatThrows(new TypeError('cannot read password', { cause }))
    assert.deepEqual([received.code, received.message], ['internal', 'something went wrong on our side'])
    assert.doesNotMatch(JSON.stringify(received.cause) + String(received.cause), /password|secret|TypeError/)
    assert.equal(errors.length, 1)
    assert.match(JSON.stringify(errors), /TypeError: cannot read password.*select secret from users/)
  })

  it('is received as internal, without its message, if it is internal or not an Error', async () => {
    for (const error of [
      new AppError('internal', 'the state is corrupt'),
      'secret',
      undefined,
      { code: 5 },
    ]) {
      const { received, errors } = await callThatThrows(error)
      assert.deepEqual([received.code, received.message], ['internal', 'something went wrong on our side'])
      assert.equal(errors.length, 1)
    }
  })

  it('is logged as an error if a dependency is down, but not if the caller is at fault', async () => {
    const cause = new Error('connect ECONNREFUSED 10.0.0.7:5432')
    const down = await callThatThrows(new AppError('unavailable', 'the database is down', { cause }))
    assert.match(JSON.stringify(down.errors), /ECONNREFUSED/)
    assert.doesNotMatch(String(down.received.cause), /ECONNREFUSED/)
    assert.deepEqual((await callThatThrows(new AppError('not_found', 'product 7 not found'))).errors, [])
  })
  it('is logged with its stack once when many calls fail; the line of each call has the cause', async () => {
    thrown = new AppError('unavailable', 'the store is down', { cause: new Error('ECONNRESET') })
    service.lines.length = 0
    for (let call = 0; call < 20; call += 1) await assert.rejects(getProduct(7))
    const calls = service.lines.filter(({ msg }) => msg === 'call')
    assert.equal(calls.length, 20)
    for (const { status, cause } of calls)
      assert.deepEqual([status, cause], ['UNAVAILABLE', 'the store is down: ECONNRESET'])
    assert.equal(service.lines.filter(({ err }) => err !== undefined).length, 1)
    assert.ok(JSON.stringify(calls).length < 20 * 300)
    await service.close()
    const { msg, count } = service.lines.at(-1) ?? {}
    assert.deepEqual([msg, count], ['call failed repeatedly', 19])
  })
})
