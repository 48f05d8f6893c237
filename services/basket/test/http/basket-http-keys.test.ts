import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { aProduct } from '../support/baskets.ts'
import {
  type App,
  assertProblem,
  basketIn,
  basketOf,
  type HttpResponse,
  linesIn,
  openApp,
  send,
} from '../support/http.ts'
import { itemWrites } from '../support/item-writes.ts'

let app: App
before(async () => {
  app = await openApp()
  for (const id of [1, 2]) app.catalog.products.set(id, aProduct({ id }))
})
after(() => app[Symbol.asyncDispose]())

type Basket = ReturnType<App['newUserBasket']>

const withKey = (key: string, headers: Record<string, string> = {}) => ({
  'idempotency-key': key,
  ...headers,
})
const isReplayed = ({ headers }: HttpResponse) => headers['idempotent-replayed'] === 'true'
const reused = { status: 422, code: 'idempotency_key_reused' }

const assertReplay = (response: HttpResponse, status = 200) => {
  assert.equal(response.statusCode, status, response.body)
  assert.ok(isReplayed(response))
}

describe('with Idempotency-Key, a repeated', () => {
  for (const [name, write] of Object.entries(itemWrites))
    test(`${name} answers as the first time, with the basket as it is now`, async () => {
      const basket = app.newUserBasket()
      const tag = String((await basket.add(1, 1)).headers['etag'])
      const headers = withKey('one', { 'if-match': tag })
      const first = await write(basket, headers)
      assert.equal(first.statusCode, 200, first.body)
      assert.equal(first.headers['idempotent-replayed'], undefined)
      const { lookUps } = app.catalog
      const retry = await write(basket, headers)
      assertReplay(retry)
      assert.equal(app.catalog.lookUps, lookUps, 'the catalog is not asked: it may hang')
      assert.deepEqual([retry.body, retry.headers['etag']], [first.body, first.headers['etag']])
      const other = await basket.add(2, 3)
      const late = await write(basket, headers)
      assertReplay(late)
      assert.deepEqual([late.body, late.headers['etag']], [other.body, other.headers['etag']])
    })

  test('POST of a basket answers 201 with Location, also if the basket was there only because of the first', async () => {
    const basket = app.newUserBasket()
    const headers = withKey('one', { 'if-none-match': '*' })
    const first = await basket.create(headers)
    await basket.add(1, 1)
    const retry = await basket.create(headers)
    assertReplay(retry, 201)
    assert.equal(retry.headers['location'], first.headers['location'])
    assert.deepEqual([basketIn(retry, 201).id, basketIn(retry, 201).version], [basketIn(first, 201).id, 2])
    const another = await basket.create(withKey('two'))
    assert.deepEqual([another.statusCode, isReplayed(another)], [200, false])
    // It has written nothing, so the key is free.
    assert.deepEqual(linesIn(await basket.add(1, 1, withKey('two'))), [[1, 2]])
  })

  test('write succeeds while the catalog is down', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 2, withKey('one'))
    app.catalog.down = true
    try {
      assertReplay(await basket.add(1, 2, withKey('one')))
      assertProblem(await basket.add(1, 2, withKey('two')), { status: 503, code: 'unavailable' })
    } finally {
      app.catalog.down = false
    }
    assert.deepEqual(linesIn(await basket.add(1, 2, withKey('two'))), [[1, 4]])
  })

  test('refusal is judged anew', async () => {
    const basket = app.newUserBasket()
    app.catalog.products.set(3, aProduct({ id: 3, stock: 1 }))
    const add = () => basket.add(3, 2, withKey('one'))
    const refusal = { status: 409, code: 'insufficient_stock', available: 1, requested: 2 }
    assertProblem(await add(), refusal)
    app.catalog.products.set(3, aProduct({ id: 3, stock: 2 }))
    assert.deepEqual(linesIn(await add()), [[3, 2]])
    app.catalog.products.set(3, aProduct({ id: 3, stock: 1 }))
    assertReplay(await add())
  })

  test('DELETE of the basket is not repeated: the key goes with the basket', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 1, withKey('one'))
    assert.equal((await basket.delete(withKey('two'))).statusCode, 204)
    assertProblem(await basket.delete(withKey('two')), { status: 404, code: 'not_found' })
    const again = await basket.add(1, 1, withKey('one'))
    assert.deepEqual([linesIn(again), isReplayed(again)], [[[1, 1]], false])
  })

  test('creation of a guest creates another guest', async () => {
    const create = () => send(app.http, 'POST', '/baskets', { guest: true }, withKey('one'))
    const [one, other] = [await create(), await create()]
    assert.deepEqual([one.statusCode, other.statusCode, isReplayed(other)], [201, 201, false])
    assert.notEqual(one.json().user_id, other.json().user_id)
    const guest = basketOf(app.http, one.json().user_id)
    await guest.add(1, 1, withKey('two'))
    assertReplay(await guest.add(1, 1, withKey('two')))
  })
})

describe('the key of a write', () => {
  test('is the same quoted or not, and the request is the same whatever its white space and order of members', async () => {
    const basket = app.newUserBasket()
    const post = (body: string, key: string) =>
      send(app.http, 'POST', `${basket.url}/items`, body, withKey(key))
    const first = await post('{"product_id":1,"quantity":2}', 'a "key"'.replaceAll('"', "'"))
    assert.equal(first.statusCode, 200)
    assertReplay(await post('{ "quantity": 2,\n "product_id": 1 }', `"a 'key'"`))
    assertReplay(await post('{"product_id":1,"quantity":2.0}', `"a 'key'"`))
    assertProblem(await post('{"product_id":1,"quantity":3}', `"a 'key'"`), reused)
    assert.deepEqual(linesIn(await basket.get()), [[1, 2]])
  })

  test('is refused for another route, line, quantity or method, and nothing is written', async () => {
    const basket = app.newUserBasket()
    await basket.add(2, 1)
    await basket.add(1, 2, withKey('one'))
    const headers = withKey('one')
    for (const response of [
      await basket.add(1, 3, headers),
      await basket.add(2, 2, headers),
      await basket.addSeveral([[1, 2]], headers),
      await basket.setSeveral([[1, 2]], headers),
      await basket.set(1, 2, headers),
      await basket.set(1, 0, headers),
      await basket.remove(1, headers),
      await basket.clear(headers),
      await basket.create(headers),
      // Before what else is wrong with the request.
      await basket.add(9, 1, headers),
      await basket.remove(9, withKey('one', { 'if-match': '"old"' })),
    ]) {
      assertProblem(response, reused)
      assert.ok(!isReplayed(response))
    }
    assert.deepEqual(linesIn(await basket.get()), [
      [2, 1],
      [1, 2],
    ])
  })

  test('is that of one basket: the same key means nothing for another', async () => {
    for (const basket of [app.newUserBasket(), app.newUserBasket()]) {
      const response = await basket.add(1, 2, withKey('one'))
      assert.deepEqual([linesIn(response), isReplayed(response)], [[[1, 2]], false])
    }
  })

  test('means nothing for a read', async () => {
    const basket = app.newUserBasket()
    await basket.add(1, 2, withKey('one'))
    for (const key of ['one', '']) {
      const response = await basket.get(withKey(key))
      assert.deepEqual([response.statusCode, isReplayed(response)], [200, false])
    }
  })

  test('is counted if it repeats a write, or is that of a different one', async () => {
    const count = async (outcome: string) => {
      const { body } = await send(app.http, 'GET', '/metrics')
      return Number(
        new RegExp(`^idempotency_keys_total{.*outcome="${outcome}".*} (\\d+)`, 'm').exec(body)?.[1] ?? 0,
      )
    }
    const counts = async () => [await count('replayed'), await count('reused')]
    const [replayed = 0, differing = 0] = await counts()
    const basket = app.newUserBasket()
    for (const quantity of [1, 1, 1, 2]) await basket.add(1, quantity, withKey('one'))
    assert.deepEqual(await counts(), [replayed + 2, differing + 1])
  })
})

describe('a malformed Idempotency-Key', () => {
  const invalid = { status: 400, code: 'invalid', paths: ['/Idempotency-Key'] }
  const malformed = {
    'that is empty': '',
    'that is empty in quotes': '""',
    'with 256 characters': 'x'.repeat(256),
    'with 256 characters in quotes': `"${'x'.repeat(256)}"`,
    'with an open quote': '"one',
    'with a quote within': 'o"ne',
    'with a quote that is not escaped': '"o"ne"',
    'with an escape of nothing': '"o\\ne"',
    'with a character outside of ASCII': 'schlüssel',
    'with a tab': 'o\tne',
    'that is sent twice in quotes': '"one", "two"',
  }

  for (const [name, key] of Object.entries(malformed))
    test(`${name} is refused by every write that takes one`, async () => {
      const basket = app.newUserBasket()
      await basket.add(1, 1)
      for (const write of [...Object.values(itemWrites), (of: Basket, headers = {}) => of.create(headers)])
        assertProblem(await write(basket, withKey(key)), invalid)
      assert.deepEqual(linesIn(await basket.get()), [[1, 1]])
    })

  test('may be as long as 255 characters, and anything printable', async () => {
    const basket = app.newUserBasket()
    for (const key of [
      'x'.repeat(255),
      `"${'x'.repeat(253)}\\\\\\""`,
      '"\\""',
      "!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    ])
      assert.equal((await basket.add(1, 1, withKey(key))).statusCode, 200, key)
  })

  /** What `inject` cannot send: several headers of one name. */
  test('is one that is sent twice', async () => {
    const url = await app.http.listen({ host: '127.0.0.1', port: 0 })
    const post = (keys: readonly string[]) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(
          `${url}/baskets/twice/items`,
          {
            method: 'POST',
            headers: [
              'Host',
              new URL(url).host,
              'Content-Type',
              'application/json',
              ...keys.flatMap((key) => ['Idempotency-Key', key]),
            ],
          },
          (response) => resolve(response.resume().statusCode),
        )
        sent.on('error', reject).end('{"product_id":1,"quantity":1}')
      })
    assert.equal(await post(['one', 'two']), 400)
    assert.equal(await post(['one', 'one']), 400)
    assert.equal(await post(['"one"', '"two"']), 400)
    assert.equal(await post(['']), 400)
    assert.equal(await post(['one']), 200)
    assert.equal(await post(['one']), 200)
    assert.deepEqual(linesIn(await basketOf(app.http, 'twice').get()), [[1, 1]])
  })
})
