import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byId, lowestStockFirst, mostExpensiveFirst } from '../../src/domain/product-reader.ts'
import { sortOf, sortWord, sortWords } from '../../src/interfaces/sort-words.ts'
import { sortEntries, sorts } from '../support/sorts.ts'

describe('the words for sorts', () => {
  test('are these, in the order of the OpenAPI document', () => {
    assert.deepEqual(sortWords, Object.keys(sorts))
  })

  for (const [word, sort] of sortEntries)
    test(`have ${word} for ${sort.by}, ${sort.descending ? 'descending' : 'ascending'}`, () => {
      assert.deepEqual(sortOf(word), sort)
      assert.equal(sortWord(sort), word)
    })
})

test('the sorts of the lists that have a path of their own are these', () => {
  assert.deepEqual(byId, sorts.id)
  assert.deepEqual(mostExpensiveFirst, sorts['-price'])
  assert.deepEqual(lowestStockFirst, sorts.stock)
})
