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
  it('passes the name of the function to the decorator, and all arguments to the function', async () => {
    const names: string[] = []
    const decorated = decorate(shop, (name, call) => {
      names.push(name)
      return call()
    })
    assert.deepEqual(Object.keys(decorated), ['price', 'fail'])
    assert.equal(await decorated.price(7, 'EUR'), '7 EUR')
    await assert.rejects(decorated.fail(), { message: 'bug' })
    assert.deepEqual(names, ['price', 'fail'])
  })

  it('lets the decorator replace an error', async () => {
    const decorated = decorate(shop, async (name, call) => {
      try {
        return await call()
      } catch (cause) {
        throw new Error(`${name} failed`, { cause })
      }
    })
    await assert.rejects(decorated.fail(), { message: 'fail failed', cause: new Error('bug') })
  })
})
