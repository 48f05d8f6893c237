import { sized } from '../support/form.ts'
import type { Row } from '../support/row.ts'
import { portOf } from '../support/shop.ts'
import { abandon, departures } from '../support/sockets.ts'

const count = sized(100, 1_500)

/** No two of them can share a query. */
const lists = {
  ordinary: (index: number) => `/products/low-stock-${100_000 + index}?limit=1000`,
  long: (index: number) => `/products/category/Long?limit=${1_000 - (index % 900)}`,
}

export const abandonedLists: Row = {
  name: '1 · lists that nobody waits for',
  maxStatements: 50,
  attacks: Object.entries(lists).flatMap(([products, pathOf]) =>
    Object.entries(departures).map(([departure, leave]) => ({
      name: `1 · ${count} lists of ${products} products, sent and ${departure}`,
      run: async (shop, from) => {
        const port = portOf(shop.product)
        const requests = Array.from({ length: count }, (_, index) => ({
          port,
          // No limit of connections stops them.
          from: from(index % 15),
          text: `GET ${pathOf(index)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
        }))
        await abandon(requests, leave)
        return ''
      },
    })),
  ),
}
