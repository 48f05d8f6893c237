import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import { type App, assertProblem, basketIn, linesIn, notFound, openApp } from '../support/http.ts'
import { itemWrites } from '../support/item-writes.ts'

let app: App
before(async () => {
  app = await openApp()
  for (const id of [1, 2]) app.catalog.products.set(id, aProduct({ id }))
})
after(() => app[Symbol.asyncDispose]())

type BasketClient = ReturnType<App['newUserBasket']>

const tagOf = async (basket: BasketClient) => String((await basket.get()).headers['etag'])

describe('If-None-Match', () => {
  test('with the ETag of the stored basket gets 304 without a body', async () => {
    const basket = app.newUserBasket()
    const tag = String((await basket.add(1, 1)).headers['etag'])
    for (const header of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
      const response = await basket.get({ 'if-none-match': header })
      assert.equal(response.statusCode, 304, header)
      assert.equal(response.body, '')
      assert.equal(response.headers['etag'], tag)
    }
  })

  test('with another ETag gets the basket', async () => {
    const basket = app.newUserBasket()
    const tag = String((await basket.add(1, 1)).headers['etag'])
    await basket.add(1, 1)
    assert.deepEqual(linesIn(await basket.get({ 'if-none-match': tag })), [[1, 2]])
  })
})

test('every write returns the ETag that the next read has, and ETags never repeat, even if the basket is recreated', async () => {
  const basket = app.newUserBasket()
  const seen = new Set<unknown>()
  const writes = [
    basket.create,
    () => basket.add(1, 2),
    () =>
      basket.addSeveral([
        [1, 1],
        [2, 1],
      ]),
    () =>
      basket.setSeveral([
        [1, 9],
        [2, 0],
      ]),
    () => basket.set(1, 3),
    () => basket.remove(1),
    basket.clear,
    basket.delete,
    basket.create,
  ]
  for (const write of writes) {
    const { headers, statusCode } = await write()
    if (statusCode === 204) continue
    assert.equal(headers['etag'], await tagOf(basket))
    seen.add(headers['etag'])
  }
  assert.equal(seen.size, 8)
})

const writes: Record<
  string,
  (basket: BasketClient, headers: Record<string, string>) => ReturnType<BasketClient['get']>
> = {
  'POST of the basket': (basket, headers) => basket.create(headers),
  ...itemWrites,
  'DELETE of the basket': (basket, headers) => basket.delete(headers),
}

/** If-Match headers that match no basket, although some of them resemble the ETag. */
const mismatchesOf = (tag: string) => {
  const unquoted = tag.slice(1, -1)
  const padded = tag.replace('.', '.0')
  const others = ['"1"', '""', '"x"', 'x', '', `w/${tag}`, unquoted, `"${unquoted}`, padded]
  return [...others, others.join(', ')]
}

const stale = { status: 412, code: 'stale_version' }

for (const [name, write] of Object.entries(writes))
  describe(`a ${name} with If-Match`, () => {
    test('that does not list the ETag of the stored basket gets 412 and changes nothing', async () => {
      const basket = app.newUserBasket()
      const old = String((await basket.add(1, 1)).headers['etag'])
      const stored = basketIn(await basket.add(1, 1))
      const current = await tagOf(basket)
      for (const tag of [old, `${old}, "other"`, ...mismatchesOf(current)])
        assertProblem(await write(basket, { 'if-match': tag }), stale)
      assert.deepEqual(basketIn(await basket.get()), stored)
    })

    test('that lists the ETag, or is *, succeeds', async () => {
      for (const matching of [
        (tag: string) => tag,
        (tag: string) => `"other", ${tag}`,
        // Made weak, or changed, by a proxy that compresses.
        (tag: string) => `W/${tag}`,
        (tag: string) => tag.replace(/"$/, '-gzip"'),
      ]) {
        const basket = app.newUserBasket()
        await basket.add(1, 1)
        const { statusCode } = await write(basket, { 'if-match': matching(await tagOf(basket)) })
        assert.ok([200, 204].includes(statusCode), `${statusCode}`)
      }
      const basket = app.newUserBasket()
      await basket.add(1, 1)
      assert.ok([200, 204].includes((await write(basket, { 'if-match': '*' })).statusCode))
    })
  })

for (const [name, write] of Object.entries(writes))
  describe(`a ${name} with If-None-Match`, () => {
    test('that lists the ETag of the stored basket, or is *, gets 412 and changes nothing', async () => {
      const basket = app.newUserBasket()
      const stored = basketIn(await basket.add(1, 1))
      const tag = await tagOf(basket)
      for (const tags of [tag, `W/${tag}`, `"other", ${tag}`, tag.replace(/"$/, '-gzip"'), '*'])
        assertProblem(await write(basket, { 'if-none-match': tags }), stale)
      const both = { 'if-match': tag, 'if-none-match': tag }
      assertProblem(await write(basket, both), stale)
      assert.deepEqual(basketIn(await basket.get()), stored)
    })

    test('that does not list the ETag succeeds, unless If-Match does not hold', async () => {
      for (const tags of ['"other"', '"other", W/"x"', '']) {
        const basket = app.newUserBasket()
        await basket.add(1, 1)
        const unmet = { 'if-match': '"other"', 'if-none-match': tags }
        assertProblem(await write(basket, unmet), stale)
        const { statusCode } = await write(basket, { 'if-none-match': tags })
        assert.ok([200, 204].includes(statusCode), `${statusCode}`)
      }
    })

    test('that is malformed gets 400 and changes nothing', async () => {
      const basket = app.newUserBasket()
      const stored = basketIn(await basket.add(1, 1))
      const malformed = { status: 400, code: 'invalid', paths: ['/If-None-Match'] }
      assertProblem(await write(basket, { 'if-none-match': (await tagOf(basket)).slice(1, -1) }), malformed)
      assert.deepEqual(basketIn(await basket.get()), stored)
    })
  })

test('a POST, or PATCH of items, with If-None-Match: * creates the basket if there is none; of several at once, one succeeds', async () => {
  const onlyNew = { 'if-none-match': '*' }
  const basket = app.newUserBasket()
  const posts = [
    basket.create(onlyNew),
    basket.add(1, 1, onlyNew),
    basket.create(onlyNew),
    basket.addSeveral([[1, 1]], onlyNew),
    basket.setSeveral([[1, 1]], onlyNew),
  ]
  const statuses = (await Promise.all(posts)).map(({ statusCode }) => statusCode)
  assert.equal(statuses.filter((status) => status === 412).length, 4, statuses.join())
  assert.equal(basketIn(await basket.get()).version, 1)
})

test('other writes with If-None-Match: * get 404 if there is no basket', async () => {
  const basket = app.newUserBasket()
  const onlyNew = { 'if-none-match': '*' }
  for (const write of [basket.set(1, 5, onlyNew), basket.remove(1, onlyNew), basket.clear(onlyNew)])
    assertProblem(await write, notFound)
  assertProblem(await basket.delete(onlyNew), notFound)
})

test('a POST, or PATCH of items, with If-Match gets 412 if there is no basket, and creates none', async () => {
  const basket = app.newUserBasket()
  for (const tag of ['*', '"1"', '"x"', '']) {
    assertProblem(await basket.add(1, 1, { 'if-match': tag }), stale)
    assertProblem(await basket.addSeveral([[1, 1]], { 'if-match': tag }), stale)
    for (const quantity of [0, 1])
      assertProblem(await basket.setSeveral([[1, quantity]], { 'if-match': tag }), stale)
    assertProblem(await basket.create({ 'if-match': tag }), stale)
  }
  assert.equal((await basket.get()).statusCode, 404)
})

test('of two concurrent writes with the same If-Match, one succeeds and the other gets 412', async () => {
  const basket = app.newUserBasket()
  await basket.add(1, 1)
  const headers = { 'if-match': await tagOf(basket) }
  const statuses = (await Promise.all([basket.set(1, 5, headers), basket.set(1, 7, headers)])).map(
    ({ statusCode }) => statusCode,
  )
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [200, 412],
  )
})
