import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byId, lowestStockFirst, mostExpensiveFirst } from '../../src/domain/product-reader.ts'
import { sortOf, sortWord, sortWords } from '../../src/interfaces/sort-words.ts'
import { sortEntries, sorts } from '../support/sorts.ts'

describe('the sort words', () => {
  test('are listed in the order of the OpenAPI document', () => {
    assert.deepEqual(sortWords, Object.keys(sorts))
  })

  for (const [word, sort] of sortEntries)
    test(`use ${word} for ${sort.by} ${sort.descending ? 'descending' : 'ascending'}`, () => {
      assert.deepEqual(sortOf(word), sort)
      assert.equal(sortWord(sort), word)
    })
})

test('the predefined sorts are by id, most expensive first and lowest stock first', () => {
  assert.deepEqual(byId, sorts.id)
  assert.deepEqual(mostExpensiveFirst, sorts['-price'])
  assert.deepEqual(lowestStockFirst, sorts.stock)
})
