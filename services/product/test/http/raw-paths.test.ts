import assert from 'node:assert/strict'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import type { Product } from '../../src/domain/product.ts'
import { creationOf, openApp } from '../support/store.ts'

const app = await openApp()
after(() => app[Symbol.asyncDispose]())

let url: string
let lamp: Product
before(async () => {
  lamp = await app.store.products.add(creationOf())
  url = await app.http.listen({ host: '127.0.0.1', port: 0 })
})

/** Sends a request with exactly this path: `fetch` and `inject` would resolve its dots. */
const sendRaw = async (method: string, path: string) => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method, path, timeout: 10_000 }, resolve).on('error', reject).end()
  })
  const body = await text(response)
  return { status: response.statusCode, body: body === '' ? undefined : JSON.parse(body) }
}

const dots = ['.', '..', '%2e', '%2E', '%2e%2E', '.%2e']

describe('a path whose dots and slashes are not resolved by the client', () => {
  test('is never the path of another product', async () => {
    for (const id of [
      ...dots,
      `1%2F..%2F${lamp.id}`,
      `..%2fproducts%2f${lamp.id}`,
      `${lamp.id}%5c`,
      `${lamp.id}%2F`,
    ])
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await sendRaw(method, `/products/${id}`)
        assert.deepEqual([status, body.detail], [400, 'id must be a whole number'], `${method} ${id}`)
      }
    assert.deepEqual(await app.store.reader.find(lamp.id), lamp)
  })

  test('lists a category with such a name', async () => {
    for (const category of ['.', '..', 'a/b', '../Home', '\\..', '%2e'])
      await app.store.products.add(creationOf({ name: category, category }))
    const names = async (path: string) => {
      const { body } = await sendRaw('GET', `/products/category/${path}`)
      return body.products.map(({ name }: { name: string }) => name)
    }
    for (const dot of dots) assert.deepEqual(await names(dot), [decodeURIComponent(dot)])
    for (const category of ['a/b', '../Home', '\\..', '%2e'])
      assert.deepEqual(await names(encodeURIComponent(category)), [category])
  })
})
