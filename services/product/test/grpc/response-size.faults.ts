import { after, before, describe, it } from 'node:test'
import { withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { assertPagesFit, openLargeCatalog } from '../support/large-catalog.ts'

describe('1,000 products with descriptions of 5,000 characters', { skip: withoutPostgres }, () => {
  let catalog: Awaited<ReturnType<typeof openLargeCatalog>>
  before(async () => {
    catalog = await openLargeCatalog()
  })
  after(() => catalog[Symbol.asyncDispose]())

  for (const [script, character] of [
    ['Chinese', '漢'],
    ['English', 'x'],
    ['emoji', '😀'],
  ] as const)
    it(`in ${script} are listed once each, in pages below 3.5 MiB that are as full as possible`, async () => {
      const ids = await catalog.store(1_000, character)
      for (const list of Object.values(catalog.lists)) await assertPagesFit(list, ids)
    })
})
