import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { Metadata, type ServerDuplexStream, type StatusObject } from '@grpc/grpc-js'
import type { ProductServiceClient } from '@shop/contracts/product/product.ts'
import type { Context } from '@shop/kernel/context.ts'
import { AppError } from '@shop/kernel/errors.ts'
import { unauthenticated } from '@shop/kernel/policy.ts'
import { anonymous, type Principal } from '@shop/kernel/principal.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { callOf } from '../../src/grpc/calls/bounded-call.ts'
import type { GrpcExtension } from '../../src/grpc/health-and-reflection.ts'
import { requestContext } from '../../src/request-context.ts'
import { openClient, startService } from '../support/grpc.ts'

const ann: Principal = { kind: 'user', subject: 'ann', scopes: new Set() }

const asIs = (bytes: Buffer) => bytes

/** A method whose handler is called as soon as the metadata has arrived, before any message. */
const talk = {
  path: '/test.Chat/Talk',
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
}

type Handled = (principal: Principal | undefined) => void

const chat = (handled: Handled): GrpcExtension => ({
  addToServer: ({ addService }) =>
    addService(
      { talk },
      {
        talk: (stream: ServerDuplexStream<Buffer, Buffer>) => {
          handled(callOf(stream.metadata).principal)
          stream.end()
        },
      },
    ),
})

type Start = (
  client: ProductServiceClient,
  metadata: Metadata,
) => EventEmitter & Readonly<{ cancel: () => void }>

const starts: Readonly<Record<'unary' | 'streaming', Start>> = {
  unary: (client, metadata) => client.getProduct({ id: 1 }, metadata, () => {}),
  streaming: (client, metadata) => client.makeBidiStreamRequest(talk.path, asIs, asIs, metadata).resume(),
}

/** Starts a service that looks for its callers until `found` or `failed` is called, and sends it a call. */
const startCall = async (start: Start) => {
  const asked = Promise.withResolvers<string | undefined>()
  const principal = Promise.withResolvers<Principal>()
  const handled: (Principal | undefined)[] = []
  const clients: unknown[] = []
  const service = await startService(
    async () => {
      handled.push((requestContext.getStore() as Partial<Context> | undefined)?.principal)
      return { product: undefined }
    },
    {
      identify: (authorization, client) => {
        clients.push(client)
        asked.resolve(authorization)
        return principal.promise
      },
      extensions: [chat((caller) => handled.push(caller))],
    },
  )
  const { client, ...connection } = openClient(service.port)
  const metadata = new Metadata()
  metadata.set('authorization', 'Bearer secret')
  const ended = Promise.withResolvers<StatusObject>()
  const call = start(client, metadata)
  call.on('error', () => {}).on('status', ended.resolve)
  assert.equal(await asked.promise, 'Bearer secret')
  assert.deepEqual(handled, [])
  assert.deepEqual(clients, ['127.0.0.1'], 'whose failures count')
  return {
    handled,
    lines: service.lines,
    cancel: () => call.cancel(),
    details: async () => (await ended.promise).details,
    found: principal.resolve,
    failed: principal.reject,
    [Symbol.asyncDispose]: async () => {
      connection[Symbol.dispose]()
      await service[Symbol.asyncDispose]()
    },
  }
}

for (const [kind, start] of Object.entries(starts))
  describe(`a ${kind} call whose caller takes a while to find`, () => {
    it('is handled once, when the caller is known', async () => {
      await using call = await startCall(start)
      call.found(ann)
      assert.equal(await call.details(), 'OK')
      assert.deepEqual(call.handled, [ann])
    })

    for (const [error, details] of [
      [unauthenticated('the token has expired'), 'the token has expired'],
      [new AppError('unavailable', 'try again later'), 'try again later'],
      [new Error('secret'), 'something went wrong on our side'],
    ] as const)
      it(`is not handled if that fails with: ${error.message}`, async () => {
        await using call = await startCall(start)
        call.failed(error)
        assert.equal(await call.details(), details)
        assert.deepEqual(call.handled, [])
        assert.doesNotMatch(JSON.stringify(call.lines), /Bearer/)
      })

    it('is not handled if it is cancelled meanwhile', async () => {
      await using call = await startCall(start)
      call.cancel()
      await eventually(5_000, async () => assert.equal(call.lines.length, 1))
      call.found(ann)
      await tick()
      assert.deepEqual(call.handled, [])
    })
  })

it('without identity, callers may do everything; with it, those without credentials are nobody', async () => {
  for (const [identify, kind] of [
    [undefined, 'unrestricted'],
    [() => anonymous, 'anonymous'],
  ] as const) {
    let seen: unknown
    await using service = await startService(
      async () => {
        seen = (requestContext.getStore() as Partial<Context> | undefined)?.principal?.kind
        return { product: undefined }
      },
      { identify },
    )
    using client = openClient(service.port)
    await client.getProduct(1)
    assert.equal(seen, kind)
  }
})
