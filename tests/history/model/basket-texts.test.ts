import assert from 'node:assert/strict'
import { it } from 'node:test'
import { assertLinearizable } from '@shop/testing/history/assert-linearizable.ts'
import { basketModel } from './basket-model.ts'
import { inputText, outputText } from './basket-texts.ts'

const etag = (version: number) => `"0b9f2f6e-3c3b-4d8e-9a55-7d1f6e2c1a90.${version}"`

it('the report of an impossible history shows requests and answers in one line each', () => {
  const add = { kind: 'add', productId: 7, quantity: 2 } as const
  const lines = [{ productId: 7, quantity: 2 }]
  const history = [
    { client: 1, input: { ...add, key: 'k' }, output: undefined, begin: 1, end: Infinity },
    {
      client: 2,
      input: { kind: 'get' },
      output: { status: 200, replayed: false, etag: etag(1), lines },
      begin: 2,
      end: 3,
    },
    {
      client: 3,
      input: { kind: 'setMany', items: [...lines, { productId: 8, quantity: 0 }], ifMatch: etag(1) },
      output: { status: 412, code: 'stale_version', replayed: false },
      begin: 4,
      end: 5,
    },
  ] as const
  assert.throws(
    () =>
      assertLinearizable(basketModel(new Map([[7, 9]])), history, { name: 'user 1', inputText, outputText }),
    ({ message }: Error) => {
      const rows = message
        .split('\n')
        .slice(1)
        .map((row) => row.split(/ {2,}/).slice(3, 5))
      assert.deepEqual(rows, [
        ['asked', 'answered'],
        ['add 7x2 key=k', 'unknown'],
        ['get', '200 0b9f2f.1 [7x2]'],
        ['setMany 7x2 8x0 if=0b9f2f.1', '412 stale_version'],
      ])
      return true
    },
  )
})
