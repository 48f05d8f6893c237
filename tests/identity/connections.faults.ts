import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { calls, openGrpc } from './support/grpc.ts'
import { pipelined } from './support/pipelined.ts'
import { openShop, type Shop } from './support/shop.ts'

const count = 1_000
const atOnce = 50

/** A caller, with what becomes of a request for the basket of its user, and of one that needs `products:write`. */
type Caller = Readonly<{ user: string; authorization: string | undefined; basket: string; write: string }>

/** Callers of all kinds in turn, each of them another one. */
const callersOf = async ({ issuer }: Shop): Promise<readonly Caller[]> => {
  const kinds = [
    async (user: string) => ({
      authorization: `Bearer ${await issuer.sign({ sub: user })}`,
      basket: '404',
      write: 'forbidden',
    }),
    async () => ({ authorization: undefined, basket: '401', write: 'unauthenticated' }),
    async (user: string) => ({
      authorization: `Bearer ${await issuer.sign({ sub: user, scope: 'products:write' })}`,
      basket: '404',
      write: 'ok',
    }),
    async () => ({ authorization: 'Bearer abc', basket: '401', write: 'unauthenticated' }),
    async () => ({
      authorization: `Bearer ${await issuer.sign({ sub: 'eve' })}`,
      basket: '403',
      write: 'forbidden',
    }),
  ]
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const user = `user-${index}`
      const kind = kinds[index % kinds.length] ?? kinds[0]
      if (kind === undefined) throw new Error('there are no kinds')
      return { user, ...(await kind(user)) }
    }),
  )
}

const requestOf = ({ user, authorization }: Caller): string => {
  const credentials = authorization === undefined ? '' : `authorization: ${authorization}\r\n`
  return `GET /baskets/${user} HTTP/1.1\r\nhost: localhost\r\n${credentials}\r\n`
}

/** Deletes a product that does not exist. */
const deletion = [calls.delete[0], Buffer.from([8, 0xff, 0xff, 0xff, 7])] as const

for (const workers of ['1', '2'])
  describe(`a connection of many callers, with WORKERS=${workers}`, {
    skip: withoutPostgres || withoutOwnRedis,
  }, () => {
    const stack = new AsyncDisposableStack()
    let shop: Shop
    let groups: readonly (readonly Caller[])[]
    before(async () => {
      shop = stack.use(await openShop({ common: { WORKERS: workers } }))
      const callers = await callersOf(shop)
      groups = Array.from({ length: count / atOnce }, (_, group) =>
        callers.slice(group * atOnce, (group + 1) * atOnce),
      )
    })
    after(() => stack.disposeAsync())

    // In the second round the verdicts are remembered: they come at once, between those that do not.
    for (const round of ['first', 'second']) {
      it(`gives none of them the rights of another, pipelined over HTTP, in the ${round} round`, async () => {
        for (const group of groups) {
          const responses = await pipelined(shop.baskets.url, group.map(requestOf))
          assert.equal(responses.length, atOnce)
          for (const [index, { user, basket }] of group.entries()) {
            const response = responses[index] ?? ''
            assert.equal(response.slice(0, 3), basket, response)
            assert.ok(response.includes(`/baskets/${user}"`), response)
          }
        }
      })

      it(`gives none of them the rights of another, multiplexed over gRPC, in the ${round} round`, async () => {
        using grpc = openGrpc(shop)
        for (const group of groups)
          await Promise.all(
            group.map(async ({ authorization, write }) => {
              const outcome = await grpc.send(deletion, authorization === undefined ? {} : { authorization })
              assert.equal(outcome.split(':')[0], write, outcome)
            }),
          )
      })
    }
  })
