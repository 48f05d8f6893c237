import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ownPrefix, removeKeys } from '@shop/testing/stores/redis.ts'
import { openCatalog } from './catalog.ts'
import { throwIfInterrupted } from './interrupt.ts'
import { createServers } from './servers.ts'

const userCount = 2_000
const parallelPosts = 16

const postAttempts = 5

/** A service that has just started may be slower than the deadlines of its callers, so a 503 is tried again. */
const post = async (url: string, body: unknown, authorization: string | undefined): Promise<void> => {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
      body: JSON.stringify(body),
    })
    await response.arrayBuffer()
    if (response.ok) return
    if (response.status !== 503 || attempt === postAttempts)
      throw new Error(`${url} responded with ${response.status}`)
    await delay(1_000)
  }
}

/** Adds the products to the baskets of all users. */
export const fillBaskets = async (
  url: string,
  users: readonly string[],
  products: readonly number[],
  authorization?: string,
): Promise<void> => {
  const left = [...users]
  const fillRepeatedly = async (): Promise<void> => {
    for (let user = left.pop(); user !== undefined; user = left.pop())
      for (const product_id of products) {
        throwIfInterrupted()
        await post(`${url}/baskets/${user}/items`, { product_id, quantity: 1 }, authorization)
      }
  }
  await Promise.all(Array.from({ length: parallelPosts }, fillRepeatedly))
}

/** A new catalog and Redis keys of its own for the servers of all candidates, which start when they are needed. */
export const openShop = async (products: number) => {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const { url: databaseUrl, plentiful } = stack.use(await openCatalog(products))
  const prefix = ownPrefix()
  const removeBaskets = async () => {
    for (const key of ['basket', 'obvious']) await removeKeys(`${key}:${prefix}`)
  }
  stack.defer(removeBaskets)
  const servers = await createServers(stack.use(new AsyncDisposableStack()), { databaseUrl, folder })
  const users = Array.from({ length: userCount }, (_, index) => `${prefix}${index}`)
  const owned = stack.move()
  return {
    ...servers,
    stock: { products, plentiful, users },
    databaseUrl,
    folder,
    /** Gives every user a basket with three lines, with both implementations. */
    fillBaskets: async () => {
      for (const name of ['ours', 'obvious'] as const)
        await fillBaskets((await servers.baskets(name)).url, users, plentiful.slice(0, 3))
    },
    removeBaskets,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

export type Shop = Awaited<ReturnType<typeof openShop>>
