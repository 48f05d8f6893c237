import assert from 'node:assert/strict'
import { type ListProductsRequest, ListProductsResponse } from '@shop/contracts/product/product.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { ownSchema, query } from '@shop/testing/stores/postgres.ts'
import { connectTo } from './grpc.ts'
import { openService } from './service.ts'

export const maxResponseBytes = 3.5 * 1024 * 1024

/** More than the size of one product in these tests. */
const maxProductBytes = 25_000

export const sizeOf = (message: ListProductsResponse) => ListProductsResponse.encode(message).finish().length

type List = (paging: ListProductsRequest) => Promise<ListProductsResponse>

/** Opens the whole service on the PostgreSQL server, and a gRPC client with default options. */
export const openLargeCatalog = async () => {
  const stack = new AsyncDisposableStack()
  const { url } = stack.use(await ownSchema())
  const app = stack.use(await openService({ DATABASE_URL: url }))
  const { client, rpc } = connectTo(await app.grpc.listen(0))
  stack.defer(() => client.close())
  await eventually(20_000, async () => assert.ok(await app.isReady()))
  const lists: Readonly<Record<string, List>> = {
    ListProducts: rpc.listProducts,
    GetLowStockProducts: (paging) => rpc.getLowStockProducts({ ...paging, maxStock: 10 }),
    GetProductsByCategory: (paging) => rpc.getProductsByCategory({ ...paging, category: 'Home' }),
  }
  return {
    rpc,
    lists,
    lines: app.lines,
    /** Replaces all products by `count`, whose descriptions are 5,000 times the character. Returns their ids. */
    store: async (count: number, character: string): Promise<number[]> => {
      await query('truncate products', url)
      const rows = await query<{ id: number }>(
        `insert into products (name, description, price, stock, category)
         select 'Lamp ' || n, repeat('${character}', 5000), 1, n % 7, 'Home' from generate_series(1, ${count}) n
         returning id`,
        url,
      )
      return rows.map(({ id }) => id)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Reads the whole list in pages of up to 1,000 products. */
const readPages = async (list: List): Promise<ListProductsResponse[]> => {
  const pages: ListProductsResponse[] = []
  let pageToken = ''
  do {
    const page = await list({ pageSize: 1_000, pageToken })
    pages.push(page)
    pageToken = page.nextPageToken
  } while (pageToken !== '' && pages.length < 100)
  return pages
}

/**
 * Checks that the list has exactly the products with these ids, in pages below the maximum size that have no room for
 * one more product. Returns the pages.
 */
export const assertPagesFit = async (list: List, ids: readonly number[]) => {
  const pages = await readPages(list)
  const listed = pages.flatMap(({ products }) => products.map(({ id }) => id))
  assert.deepEqual(
    listed.toSorted((one, other) => one - other),
    ids,
  )
  for (const page of pages) assert.ok(sizeOf(page) <= maxResponseBytes, `${sizeOf(page)} bytes`)
  for (const page of pages.slice(0, -1))
    assert.ok(sizeOf(page) > maxResponseBytes - maxProductBytes, `${sizeOf(page)} bytes`)
  return pages
}
