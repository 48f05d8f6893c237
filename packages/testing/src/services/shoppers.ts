import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '../asserts/eventually.ts'
import { request } from './http.ts'
import { type Connection, type Headers, openConnection } from './kept-connection.ts'
import type { RunningService } from './services.ts'

type Shop = (connection: Connection, shopper: number, round: number) => Promise<void>

const maxFailures = 100
const failurePauseMs = 20

/** Starts `count` shoppers, each with its own connection, that repeat `shop` until they are stopped. */
export const startShoppers = (count: number, shop: Shop, headers: Headers = {}) => {
  let rounds = 0
  const stopping = new AbortController()
  const failures: string[] = []
  const running = Array.from({ length: count }, async (_, shopper) => {
    using connection = openConnection(headers)
    for (let round = 0; !stopping.signal.aborted; round++) {
      try {
        await shop(connection, shopper, round)
        rounds += 1
      } catch (error) {
        if (failures.length < maxFailures)
          failures.push(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
        // A refused connection fails at once, so do not retry in a tight loop.
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
    /** Resolves with the errors of the failed rounds, which `rounds` does not count. */
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}

/** A time limit that is generous enough for a slow machine. */
export const timeoutMs = 30_000

type Shoppers = ReturnType<typeof startShoppers>

/** Waits until the shoppers have completed this many further rounds. */
export const waitForRounds = async (shoppers: Shoppers, rounds: number) => {
  const target = shoppers.rounds() + rounds
  await eventually(timeoutMs, async () => assert.ok(shoppers.rounds() >= target))
}

/** Waits for health, because a basket service is ready before it has connected to the product service. */
export const untilHealthy = ({ url }: RunningService) =>
  eventually(timeoutMs, async () =>
    assert.equal((await request('GET', `${url}/health`)).body.status, 'healthy'),
  )

/** A round at the basket service: add, change, read and delete, with pauses in which the connection is idle. */
export const shopAt =
  (url: string, productId: number, prefix = '') =>
  async ({ send }: Connection, shopper: number, round: number): Promise<void> => {
    const basket = `${url}/baskets/${prefix}shopper-${shopper}-${round}`
    const expectStatus = async (status: number, method: string, path: string, body?: unknown) => {
      const response = await send(method, `${basket}${path}`, body)
      assert.equal(response.status, status, `${method} ${JSON.stringify(response.body)}`)
      return response.body
    }
    await expectStatus(200, 'POST', '/items', { product_id: productId, quantity: 2 })
    await delay(20 + 10 * shopper)
    await expectStatus(200, 'PUT', `/items/${productId}`, { quantity: 3 })
    assert.equal((await expectStatus(200, 'GET', '')).item_count, 3)
    await delay(20 + 5 * shopper)
    await expectStatus(204, 'DELETE', '')
  }

type Load = Readonly<{
  /** The basket services, among which the clients are distributed. */
  urls: readonly string[]
  userIds: readonly string[]
  productIds: readonly number[]
  clients: number
  adds: number
}>

/** Quantities by user id and product id. */
class Quantities {
  readonly #byLine = new Map<string, number>()

  add(userId: string, productId: number, quantity: number): void {
    this.#byLine.set(`${userId} ${productId}`, this.get(`${userId} ${productId}`) + quantity)
  }
  get = (line: string): number => this.#byLine.get(line) ?? 0
  lines = (): string[] => [...this.#byLine.keys()]
}

/** Whether an add was refused before it had any effect, so that it can be retried. */
const isWithoutEffect = (problem: { code?: string; detail?: string }): boolean =>
  problem.code === 'unavailable' && problem.detail === 'the product service is unavailable'

/**
 * Adds to the baskets `adds` times, from concurrent clients with keep-alive connections. Retries adds that fail because
 * the product service is unavailable, which happens on a slow machine. `acknowledged` adds got status 200. The outcome of
 * `uncertain` adds is unknown; `problems` contains their response bodies.
 */
export const addToBaskets = async ({ urls, userIds, productIds, clients, adds }: Load) => {
  const [acknowledged, uncertain] = [new Quantities(), new Quantities()]
  const problems: unknown[] = []
  let next = 0
  const client = async (_: unknown, index: number) => {
    using connection = openConnection()
    const url = urls[index % urls.length]
    while (next < adds) {
      const number = next++
      const userId = userIds[number % userIds.length] ?? ''
      const productId = productIds[Math.floor(number / userIds.length) % productIds.length] ?? 0
      const quantity = 1 + (number % 3)
      const add = () =>
        connection.send('POST', `${url}/baskets/${userId}/items`, { product_id: productId, quantity })
      let response = await add()
      while (response.status === 503 && isWithoutEffect(response.body)) {
        await delay(100)
        response = await add()
      }
      if (response.status !== 200) problems.push(response.body)
      const quantities = response.status === 200 ? acknowledged : uncertain
      quantities.add(userId, productId, quantity)
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return { acknowledged, uncertain, problems }
}

type AddResults = Awaited<ReturnType<typeof addToBaskets>>

/** Asserts that the baskets contain all acknowledged adds, and no others except uncertain ones. */
export const assertBaskets = async (
  url: string,
  userIds: readonly string[],
  { acknowledged, uncertain }: Pick<AddResults, 'acknowledged' | 'uncertain'>,
): Promise<void> => {
  using connection = openConnection()
  const stored = new Quantities()
  for (const userId of userIds) {
    const { status, body } = await connection.send('GET', `${url}/baskets/${userId}`)
    assert.equal(status, 200)
    for (const { product_id, quantity } of body.items) stored.add(userId, product_id, quantity)
  }
  const lines = new Set([acknowledged, uncertain, stored].flatMap((quantities) => quantities.lines()))
  const wrong = [...lines]
    .map((line) => ({
      line,
      stored: stored.get(line),
      acknowledged: acknowledged.get(line),
      uncertain: uncertain.get(line),
    }))
    .filter((sums) => sums.stored < sums.acknowledged || sums.stored > sums.acknowledged + sums.uncertain)
  assert.deepEqual(wrong, [])
}
