import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { request } from './http.ts'
import type { Headers } from './kept-connection.ts'
import { startRecordedLoad } from './recorded-load.ts'

const isSuccess = (status: number) => status >= 200 && status < 300

/** The outcomes of the writes of one kind to one thing. An uncertain write may have taken effect, once. */
class Outcomes {
  readonly acknowledged: number[] = []
  readonly uncertain: number[] = []

  record(value: number, status: number): void {
    if (isSuccess(status)) this.acknowledged.push(value)
    else this.uncertain.push(value)
  }
}

const productFields = { name: 'Own', price: 1, stock: 999_999 }

const createProduct = async (url: string, headers: Headers): Promise<number> => {
  const { status, body } = await request('POST', `${url}/products`, productFields, headers)
  assert.equal(status, 201, JSON.stringify(body))
  return body.id
}

export type ProductRow = Readonly<{ id: number; name: string; stock: number; version: number }>

/**
 * Starts clients of the product service. Each creates products, changes and reads one of its own, and lists.
 * `assertStored` compares the rows of the table with the acknowledged writes.
 */
export const startProductWrites = async (url: string, clients: number, headers: Headers = {}) => {
  const ids: number[] = []
  for (let client = 0; client < clients; client++) ids.push(await createProduct(url, headers))
  const changes = ids.map(() => new Outcomes())
  const prefix = randomUUID()
  const creations = new Map<string, number>()
  const load = startRecordedLoad(
    clients,
    async (send, client, round) => {
      const own = `${url}/products/${ids[client]}`
      changes[client]?.record(round, await send('PATCH', own, { stock: round }))
      const name = `${prefix}-${client}-${round}`
      creations.set(name, await send('POST', `${url}/products`, { ...productFields, name }))
      await send('GET', own)
      await send('GET', `${url}/products?limit=3`)
    },
    headers,
  )

  /** Every acknowledged write is stored, every write at most once, and nothing that was not sent. */
  const assertStored = (rows: readonly ProductRow[]) => {
    const copies = new Map<string, number>()
    for (const { name } of rows) copies.set(name, (copies.get(name) ?? 0) + 1)
    for (const [name, status] of creations) {
      const stored = copies.get(name) ?? 0
      assert.ok(stored <= 1, `${name} is stored ${stored} times`)
      assert.ok(stored === 1 || !isSuccess(status), `${name} was acknowledged but is not stored`)
    }
    for (const [client, { acknowledged, uncertain }] of changes.entries()) {
      const row = rows.find(({ id }) => id === ids[client])
      assert.ok(row)
      const counts = `version ${row.version}, ${acknowledged.length} acknowledged, ${uncertain.length} uncertain`
      const changed = row.version - 1
      assert.ok(changed >= acknowledged.length, `a change was lost: ${counts}`)
      assert.ok(changed <= acknowledged.length + uncertain.length, `a change was applied twice: ${counts}`)
      const last = acknowledged.at(-1)
      assert.ok(last === undefined || [last, ...uncertain].includes(row.stock), `stale: ${counts}`)
    }
  }
  return { ...load, assertStored }
}

type BasketWrites = Readonly<{ clients: number; productId: number; prefix: string; headers?: Headers }>

/** The quantity of a line is at most 999. */
const addsPerBasket = 500

/**
 * Starts clients of the basket service. Each adds one piece to its own basket and reads it, again and again.
 * `assertStored` compares the baskets with the acknowledged adds.
 */
export const startBasketWrites = (
  url: string,
  { clients, productId, prefix, headers = {} }: BasketWrites,
) => {
  const adds = new Map<string, Outcomes>()
  const load = startRecordedLoad(
    clients,
    async (send, client, round) => {
      const basket = `${url}/baskets/${prefix}${client}-${Math.floor(round / addsPerBasket)}`
      const outcomes = adds.get(basket) ?? new Outcomes()
      adds.set(basket, outcomes)
      outcomes.record(round, await send('POST', `${basket}/items`, { product_id: productId, quantity: 1 }))
      await send('GET', basket)
    },
    headers,
  )

  const assertStored = async () => {
    for (const [basket, { acknowledged, uncertain }] of adds) {
      const { status, body } = await request('GET', basket, undefined, headers)
      assert.ok(status === 200 || status === 404)
      const stored = status === 200 ? Number(body.item_count) : 0
      const counts = `${stored} stored, ${acknowledged.length} acknowledged, ${uncertain.length} uncertain`
      assert.ok(stored >= acknowledged.length, `an add was lost: ${counts}`)
      assert.ok(stored <= acknowledged.length + uncertain.length, `an add was applied twice: ${counts}`)
    }
  }
  return { ...load, assertStored }
}
