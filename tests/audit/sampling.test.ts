import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Line, openAuditFolder, openBaskets } from './support/services.ts'

test('who repeats what changes nothing has a hundred lines, and a count; writes and failures of known callers are all lines', async () => {
  await using folder = await openAuditFolder()
  const basket = await openBaskets(folder)
  const send = (method: 'GET' | 'POST' | 'DELETE', url: string, caller?: string, payload?: object) =>
    basket.http.inject({
      method,
      url,
      headers: { ...(caller !== undefined && { authorization: `Bearer ${caller}` }) },
      ...(payload && { payload }),
    })
  const unknownGuest = '/baskets/guest:AAAAAAAAAAAAAAAAAAAAAA'
  for (let round = 0; round < 115; round++) {
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
  const written = lines.filter(({ event }) => event === 'audit')
  const count = (matching: Line): number =>
    written.filter((line) =>
      Object.entries(matching).every(([name, value]) =>
        name === 'actor' ? (line['actor'] as Line)['type'] === value : line[name] === value,
      ),
    ).length
  // In the seconds of the test a few more are allowed: 100 a minute.
  const hundred = (found: number): void => assert.ok(found >= 100 && found < 115, `${found} lines`)
  const refusedToAnn = count({ outcome: 'refused', code: 'forbidden' }) - 1
  const refusedToAll = count({ outcome: 'refused', code: 'unauthenticated' })
  const notFound = count({ outcome: 'failed', actor: 'anonymous' })
  for (const found of [refusedToAnn, refusedToAll, notFound]) hundred(found)
  assert.equal(count({ outcome: 'failed', actor: 'machine' }), 115)
  assert.equal(count({ outcome: 'applied', use_case: 'createGuestBasket' }), 115)
  const last = lines.filter(({ event }) => event === 'audit_sampled')
  assert.deepEqual(
    last.map(({ use_case, outcome, count: leftOut }) => [use_case, outcome, leftOut]),
    [
      ['getBasket', 'refused', 115 - refusedToAnn],
      ['deleteBasket', 'refused', 115 - refusedToAll],
      ['deleteBasket', 'failed', 115 - notFound],
    ],
  )
})
