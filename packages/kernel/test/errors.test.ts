import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { AppError, codeOf, invalid, requireWithin } from '../src/errors.ts'

describe('errors', () => {
  it('name every violated field with its rule, in the message and in the details', () => {
    const errors = [
      { path: '/price', message: 'must have at most two decimals' },
      { path: '/name', message: 'is required' },
    ]
    const error = invalid(...errors)
    assert.equal(error.code, 'invalid')
    assert.equal(error.message, 'price must have at most two decimals; name is required')
    assert.deepEqual(error.details, { errors })
  })

  it('call the whole input the body', () => {
    assert.equal(
      invalid({ path: '', message: 'must be of type object' }).message,
      'body must be of type object',
    )
  })

  it('keep their code, details and cause', () => {
    const cause = new Error('socket closed')
    const error = new AppError('insufficient_stock', 'only 3', { available: 3, requested: 5 }, { cause })
    assert.ok(error instanceof Error)
    assert.deepEqual(
      [error.name, error.code, error.message, error.details, error.cause],
      ['AppError', 'insufficient_stock', 'only 3', { available: 3, requested: 5 }, cause],
    )
    assert.deepEqual(new AppError('not_found', 'no product 7').details, {})
  })

  it('have their own code, and anything else that is thrown is internal', () => {
    assert.equal(codeOf(new AppError('stale_version', 'changed meanwhile')), 'stale_version')
    for (const thrown of [new Error('bug'), { code: 'not_found' }, 'not_found', null, undefined])
      assert.equal(codeOf(thrown), 'internal')
  })
})

describe('requireWithin', () => {
  it('gives back every whole number of the range, its ends included', () => {
    fc.assert(
      fc.property(fc.integer({ min: -3, max: 7 }), (value) => requireWithin('/n', value, [-3, 7]) === value),
    )
    assert.deepEqual([requireWithin('/n', 1, [1, 9]), requireWithin('/n', 9, [1, 9])], [1, 9])
  })

  it('refuses all other numbers, and names the field and the range', () => {
    const outside = fc.oneof(
      fc.integer({ max: 0 }),
      fc.integer({ min: 2_147_483_648, max: Number.MAX_SAFE_INTEGER }),
      fc.double().filter((value) => !Number.isInteger(value)),
      fc.constantFrom(NaN, Infinity, -Infinity, 1.5),
    )
    const message = 'must be a whole number from 1 to 2147483647'
    fc.assert(
      fc.property(outside, (value) => {
        assert.throws(() => requireWithin('/id', value, [1, 2_147_483_647]), {
          code: 'invalid',
          message: `id ${message}`,
          details: { errors: [{ path: '/id', message }] },
        })
      }),
    )
  })
})
