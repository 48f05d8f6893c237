import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../asserts/eventually.ts'
import { request } from './http.ts'
import { type Connection, openConnection } from './kept-connection.ts'
import type { RunningService } from './services.ts'

type Shop = (connection: Connection, shopper: number, round: number) => Promise<void>

const maxFailures = 100
const failurePauseMs = 20

/** So many customers who shop, each over a connection of their own, one round after the other until they are stopped, or disposed of. */
export const startShoppers = (count: number, shop: Shop) => {
  let rounds = 0
  const stopping = new AbortController()
  const failures: string[] = []
  const running = Array.from({ length: count }, async (_, shopper) => {
    using connection = openConnection()
    for (let round = 0; !stopping.signal.aborted; round++) {
      try {
        await shop(connection, shopper, round)
        rounds += 1
      } catch (error) {
        if (failures.length < maxFailures)
          failures.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
        // A refused connection is refused at once.
        await delay(failurePauseMs)
      }
    }
  })
  const stop = async (): Promise<readonly string[]> => {
    stopping.abort()
    await Promise.all(running)
    return failures
  }
  return {
    rounds: (): number => rounds,
    /** Resolves with what went wrong in the rounds that are not counted. */
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** How long a slow machine may take, in milliseconds. */
export const patience = 30_000

type Shoppers = ReturnType<typeof startShoppers>

/** Waits until the customers have shopped so many rounds more. */
export const more = async (shoppers: Shoppers, rounds: number) => {
  const enough = shoppers.rounds() + rounds
  await eventually(patience, async () => assert.ok(shoppers.rounds() >= enough))
}

/** Ready is not enough to begin: a basket service is ready before it has found the product service. */
export const untilHealthy = ({ url }: RunningService) =>
  eventually(patience, async () =>
    assert.equal((await request('GET', `${url}/health`)).body.status, 'healthy'),
  )

/** One customer's round at the basket service: adds, changes, looks and leaves, with pauses in which the connection is kept. */
export const shopAt =
  (url: string, productId: number, prefix = '') =>
  async ({ send }: Connection, shopper: number, round: number): Promise<void> => {
    const basket = `${url}/baskets/${prefix}shopper-${shopper}-${round}`
    const expectAnswer = async (status: number, method: string, path: string, body?: unknown) => {
      const answer = await send(method, `${basket}${path}`, body)
      assert.equal(answer.status, status, `${method} ${JSON.stringify(answer.body)}`)
      return answer.body
    }
    await expectAnswer(200, 'POST', '/items', { product_id: productId, quantity: 2 })
    await delay(20 + 10 * shopper)
    await expectAnswer(200, 'PUT', `/items/${productId}`, { quantity: 3 })
    assert.equal((await expectAnswer(200, 'GET', '')).item_count, 3)
    await delay(20 + 5 * shopper)
    await expectAnswer(204, 'DELETE', '')
  }

type Load = Readonly<{
  /** Of the basket services, which share the clients among them. */
  urls: readonly string[]
  userIds: readonly string[]
  productIds: readonly number[]
  clients: number
  adds: number
}>

/** Quantities by user id and product id. */
class Quantities {
  readonly #ofLine = new Map<string, number>()

  add(userId: string, productId: number, quantity: number): void {
    this.#ofLine.set(`${userId} ${productId}`, this.of(`${userId} ${productId}`) + quantity)
  }
  of = (line: string): number => this.#ofLine.get(line) ?? 0
  lines = (): string[] => [...this.#ofLine.keys()]
}

/** An add that was refused like this has changed nothing, so it may be tried again. */
const isWithoutEffect = (problem: { code?: string; detail?: string }): boolean =>
  problem.code === 'unavailable' && problem.detail === 'the product service is unavailable'

/**
 * Adds to the baskets so many times, by so many clients at once over kept connections, trying again where a slow machine makes
 * the service refuse. `acknowledged` were answered with 200; of `doubtful` ones the outcome is unknown, `problems` has why.
 */
export const addToBaskets = async ({ urls, userIds, productIds, clients, adds }: Load) => {
  const [acknowledged, doubtful] = [new Quantities(), new Quantities()]
  const problems: unknown[] = []
  let next = 0
  const client = async (_: unknown, index: number) => {
    using connection = openConnection()
    const url = urls[index % urls.length]
    while (next < adds) {
      const turn = next++
      const userId = userIds[turn % userIds.length] ?? ''
      const productId = productIds[Math.floor(turn / userIds.length) % productIds.length] ?? 0
      const quantity = 1 + (turn % 3)
      const add = () =>
        connection.send('POST', `${url}/baskets/${userId}/items`, { product_id: productId, quantity })
      let answer = await add()
      while (answer.status === 503 && isWithoutEffect(answer.body)) {
        await delay(100)
        answer = await add()
      }
      if (answer.status !== 200) problems.push(answer.body)
      const kind = answer.status === 200 ? acknowledged : doubtful
      kind.add(userId, productId, quantity)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { acknowledged, doubtful, problems }
}

type Added = Awaited<ReturnType<typeof addToBaskets>>

/** Fails unless the baskets of these users, as the service has them, have what was acknowledged, and nothing else. */
export const assertBaskets = async (
  url: string,
  userIds: readonly string[],
  { acknowledged, doubtful }: Pick<Added, 'acknowledged' | 'doubtful'>,
): Promise<void> => {
  using connection = openConnection()
  const stored = new Quantities()
  for (const userId of userIds) {
    const { status, body } = await connection.send('GET', `${url}/baskets/${userId}`)
    assert.equal(status, 200)
    for (const { product_id, quantity } of body.items) stored.add(userId, product_id, quantity)
  }
  const lines = new Set([acknowledged, doubtful, stored].flatMap((quantities) => quantities.lines()))
  const wrong = [...lines]
    .map((line) => ({
      line,
      stored: stored.of(line),
      acknowledged: acknowledged.of(line),
      doubtful: doubtful.of(line),
    }))
    .filter((of) => of.stored < of.acknowledged || of.stored > of.acknowledged + of.doubtful)
  assert.deepEqual(wrong, [])
}
