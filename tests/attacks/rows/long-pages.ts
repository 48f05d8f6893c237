import assert from 'node:assert/strict'
import type { Row } from '../support/row.ts'
import { counts } from '../support/shop.ts'
import { sendAtOnce } from '../support/sockets.ts'

const maxBytes = 1.1 * 1024 * 1024

/** Reads the list to its end. Resolves with the ids, and the size of the largest page. */
const readPages = async (url: string, from: string) => {
  const ids: number[] = []
  let largest = 0
  let cursor: string | null = ''
  for (let pages = 0; cursor !== null && pages < 100; pages++) {
    const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const [page] = await sendAtOnce(1, [{ method: 'GET', url: `${url}${query}`, from }])
    assert.equal(page?.status, 200)
    const { products, next_cursor: next } = JSON.parse(page.body.toString())
    ids.push(...products.map(({ id }: { id: number }) => id))
    largest = Math.max(largest, page.body.length)
    cursor = next
  }
  return { ids, largest }
}

export const longPages: Row = {
  name: `5 · pages of ${counts.long} long products`,
  attacks: [
    {
      name: `5 · pages of ${counts.long} long products`,
      run: async (shop, from) => {
        const { ids, largest } = await readPages(
          `${shop.product.url}/products/category/Long?limit=1000`,
          from(),
        )
        assert.equal(ids.length, counts.long)
        assert.equal(new Set(ids).size, counts.long)
        assert.ok(largest <= maxBytes, `${largest} bytes`)
        return `${largest} bytes at most`
      },
    },
  ],
}
