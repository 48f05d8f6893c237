import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { sendAtOnce, statusesOf } from '../support/sockets.ts'

const count = sized(60, 1_000)
const concurrency = sized(32, 64)

const lists = {
  ordinary: (index: number) => `/products/low-stock-${200_000 + index}?limit=1000`,
  long: (index: number) => `/products/category/Long?limit=${1_000 - (index % 900)}`,
}

export const distinctLists: Row = {
  name: '7 · different lists',
  inSequence: true,
  attacks: Object.entries(lists).map(([products, pathOf]) => ({
    name: `7 · ${count} different lists of ${products} products, ${concurrency} at a time`,
    run: async ({ product }, from) => {
      const requests = Array.from({ length: count }, (_, index) => ({
        method: 'GET',
        url: `${product.url}${pathOf(index)}`,
        from: from(),
      }))
      return JSON.stringify(statusesOf(await sendAtOnce(concurrency, requests)))
    },
  })),
}
