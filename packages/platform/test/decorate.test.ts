import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decorate } from '../src/decorate.ts'

const shop = {
  price: async (id: number, currency: string) => `${id} ${currency}`,
  fail: async (): Promise<string> => {
    throw new Error('bug')
  },
}

describe('decorate', () => {
  it('passes each call through the decorator, with the name and all arguments', async () => {
    const names: string[] = []
    const watched = decorate(shop, (name, call) => {
      names.push(name)
      return call()
    })
    assert.deepEqual(Object.keys(watched), ['price', 'fail'])
    assert.equal(await watched.price(7, 'EUR'), '7 EUR')
    await assert.rejects(watched.fail(), { message: 'bug' })
    assert.deepEqual(names, ['price', 'fail'])
  })

  it('lets the decorator change an error', async () => {
    const renamed = decorate(shop, async (name, call) => {
      try {
        return await call()
      } catch (cause) {
        throw new Error(`${name} failed`, { cause })
      }
    })
    await assert.rejects(renamed.fail(), { message: 'fail failed', cause: new Error('bug') })
  })
})
