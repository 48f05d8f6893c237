import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Line, openServices } from './support/services.ts'

test('who repeats what changes nothing has a hundred lines, and a count; writes and failures of known callers are all lines', async () => {
  await using services = await openServices()
  const { basket, folder } = services
  const send = (method: 'GET' | 'POST' | 'DELETE', url: string, caller?: string, payload?: object) =>
    basket.http.inject({
      method,
      url,
      headers: { ...(caller !== undefined && { authorization: `Bearer ${caller}` }) },
      ...(payload && { payload }),
    })
  const unknownGuest = '/baskets/guest:AAAAAAAAAAAAAAAAAAAAAA'
  for (let round = 0; round < 130; round++) {
    assert.equal((await send('GET', '/baskets/ben', 'ann')).statusCode, 403)
    assert.equal((await send('DELETE', '/baskets/ben')).statusCode, 401)
    assert.equal((await send('DELETE', unknownGuest)).statusCode, 404)
    assert.equal((await send('DELETE', '/baskets/ben', 'office')).statusCode, 404)
    assert.equal((await send('POST', '/baskets', undefined, { guest: true })).statusCode, 201)
  }
  // What another caller is refused is seen in spite of the flood.
  assert.equal((await send('GET', '/baskets/ann', 'ben')).statusCode, 403)
  await basket[Symbol.asyncDispose]()

  const lines = await folder.lines('baskets')
  const count = (matching: Line): number =>
    lines.filter((line) =>
      Object.entries(matching).every(([name, value]) =>
        name === 'actor' ? (line['actor'] as Line)['type'] === value : line[name] === value,
      ),
    ).length
  // The two or three seconds of the test may allow some more: 100 a minute.
  const hundred = (found: number): void => assert.ok(found >= 100 && found < 130, `${found} lines`)
  const refusedToAnn = count({ outcome: 'refused', code: 'forbidden' }) - 1
  const refusedToAll = count({ outcome: 'refused', code: 'unauthenticated' })
  const notFound = count({ outcome: 'failed', actor: 'anonymous' })
  for (const found of [refusedToAnn, refusedToAll, notFound]) hundred(found)
  assert.equal(count({ outcome: 'failed', actor: 'machine' }), 130)
  assert.equal(count({ outcome: 'applied', use_case: 'createGuestBasket' }), 130)
  const last = lines.filter(({ event }) => event === 'audit_sampled')
  assert.deepEqual(
    last.map(({ use_case, outcome, count: leftOut }) => [use_case, outcome, leftOut]),
    [
      ['getBasket', 'refused', 130 - refusedToAnn],
      ['deleteBasket', 'refused', 130 - refusedToAll],
      ['deleteBasket', 'failed', 130 - notFound],
    ],
  )
})
