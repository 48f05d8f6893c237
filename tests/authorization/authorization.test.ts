import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Client, credentials, status } from '@grpc/grpc-js'
import { accessOf, type Http, type Operation, operationsOf, send } from './operations.ts'
import { call, methods, needsScope, open } from './rpcs.ts'
import { openServices } from './services.ts'

/** Who is refused, and how, by what the document says. Nobody is refused who is not here. */
const refusals: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'ignores credentials': {},
  anybody: { nonsense: 401 },
  owner: { none: 401, nonsense: 401, stranger: 403, editor: 403 },
  'scope products:write': { none: 401, nonsense: 401, stranger: 403, owner: 403 },
}

const callers = ['none', 'nonsense', 'stranger', 'owner', 'editor', 'office']

const assertRefusal = async (http: Http, operation: Operation, caller: string): Promise<void> => {
  const { operationId, responses } = operation
  const access = accessOf(operation)
  const expected = refusals[access]
  assert.ok(expected, `${operationId}: ${access} is not known here`)
  const { statusCode, headers } = await send(http, operation, caller === 'none' ? undefined : caller)
  const refusal = [401, 403].includes(statusCode) ? statusCode : undefined
  assert.equal(refusal, expected[caller], `${operationId} (${access}) as ${caller}`)
  if (refusal === undefined) return
  assert.ok(String(refusal) in responses, `${operationId} has no ${refusal}`)
  assert.match(String(headers['www-authenticate']), /^Bearer realm="/)
}

/** The same request for the basket of a guest. */
const forGuest = (operation: Operation, guest: string): Operation => ({
  ...operation,
  url: operation.url.replace('user123', guest),
  ...(operation.payload && { payload: operation.payload.replace('user123', guest) }),
})

const guestOf = async (http: Http): Promise<string> => {
  const created = await http.inject({ method: 'POST', url: '/baskets', payload: { guest: true } })
  assert.equal(created.statusCode, 201)
  return created.json().user_id
}

// One process and one database for both transports: to open them takes longer than all requests.
const services = await openServices()
after(() => services[Symbol.asyncDispose]())

describe('authorization over HTTP', () => {
  const { product, basket } = services

  it('refuses exactly those whom the documentation of each operation does not admit', async () => {
    const seen = new Set<string>()
    for (const { http } of [product, basket])
      for (const operation of await operationsOf(http)) {
        seen.add(accessOf(operation))
        for (const caller of callers) await assertRefusal(http, operation, caller)
      }
    assert.deepEqual(seen, new Set(Object.keys(refusals)))
  })

  it('admits whoever knows the id of its guest to every operation on a basket', async () => {
    const { http } = basket
    const operations = (await operationsOf(http)).filter((operation) => accessOf(operation) === 'owner')
    assert.ok(operations.length >= 7)
    for (const operation of operations)
      for (const caller of [undefined, 'stranger']) {
        const { statusCode } = await send(http, forGuest(operation, await guestOf(http)), caller)
        assert.ok(![401, 403].includes(statusCode), `${operation.operationId}: ${statusCode}`)
      }
  })
})

describe('authorization over gRPC', async () => {
  const port = await services.product.grpc.listen(0, '127.0.0.1')
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  after(() => client.close())
  const refused = new Set<number>([status.UNAUTHENTICATED, status.PERMISSION_DENIED])
  const refusalOf = async (path: string, authorization?: string) => {
    const { code } = await call(client, path, authorization)
    assert.notEqual(code, status.UNIMPLEMENTED, path)
    assert.notEqual(code, status.DEADLINE_EXCEEDED, path)
    return refused.has(code) ? code : undefined
  }

  it('has the methods that are named here', () => {
    for (const path of [...open, ...needsScope]) assert.ok(methods.includes(path), path)
    assert.ok(methods.some((path) => path.startsWith('/grpc.reflection.v1.')))
  })

  for (const path of methods)
    it(`refuses ${path} as its rule says`, async () => {
      const withoutCredentials = open.has(path) ? undefined : status.UNAUTHENTICATED
      assert.equal(await refusalOf(path), withoutCredentials, 'without credentials')
      const withInvalid = path.startsWith('/grpc.health.') ? undefined : status.UNAUTHENTICATED
      assert.equal(await refusalOf(path, 'Bearer nonsense'), withInvalid, 'with invalid credentials')
      const withoutScope = needsScope.has(path) ? status.PERMISSION_DENIED : undefined
      assert.equal(await refusalOf(path, 'Bearer stranger'), withoutScope, 'without the scope')
      assert.equal(await refusalOf(path, 'Bearer editor'), undefined, 'with the scope')
    })
})
