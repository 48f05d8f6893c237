import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@shop/kernel/clock.ts'
import { pino } from 'pino'
import { createApp as createBasketApp } from '../services/basket/src/app.ts'
import { createApp as createProductApp } from '../services/product/src/app.ts'

const folder = join(import.meta.dirname, '../api/openapi')
const logger = pino({ level: 'silent' })

// The documents are generated from the routes alone. No use case runs, so the ports are never called.
const unused = () =>
  Promise.reject(new Error('no port may be called while the OpenAPI documents are generated'))

await using product = await createProductApp(
  {
    ports: {
      products: { add: unused, update: unused },
      reader: { find: unused, findMany: unused, findSummaries: unused, list: unused },
      statistics: { read: unused },
      rememberedWrites: { forgetOld: unused },
      events: { subscribe: () => {} },
    },
    dependencies: [],
  },
  logger,
)
await using basket = await createBasketApp(
  {
    ports: {
      baskets: { find: unused, mayRemember: unused, update: unused },
      catalog: { find: unused, findMany: unused },
      statistics: { read: unused },
      events: { publish: () => {}, subscribe: () => {} },
      clock: systemClock,
      newId: () => '',
      newSecret: () => '',
    },
    dependencies: [],
  },
  logger,
)

for (const [name, { http }] of Object.entries({ product, basket })) {
  const { body } = await http.inject('/openapi.json')
  await writeFile(join(folder, `${name}.json`), `${JSON.stringify(JSON.parse(body), null, 2)}\n`)
}
