import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { AppError, codeOf, invalid, kindOf, requireWithin } from '../src/errors.ts'

describe('invalid', () => {
  it('lists every violation in the message and in the details', () => {
    const errors = [
      { path: '/price', message: 'must have at most two decimal places' },
      { path: '/name', message: 'is required' },
    ]
    const error = invalid(...errors)
    assert.equal(error.code, 'invalid')
    assert.equal(error.message, 'price must have at most two decimal places; name is required')
    assert.deepEqual(error.details, { errors })
  })

  it('calls the whole input `body` in the message', () => {
    assert.equal(
      invalid({ path: '', message: 'must be of type object' }).message,
      'body must be of type object',
    )
  })
})

describe('AppError', () => {
  it('has the kind, message, code, details and cause that it is created with', () => {
    const cause = new Error('socket closed')
    const details = { available: 3, requested: 5 }
    const error = new AppError('conflict', 'only 3', { code: 'insufficient_stock', details, cause })
    assert.ok(error instanceof Error)
    assert.deepEqual(
      [error.name, error.kind, error.code, error.message, error.details, error.cause],
      ['AppError', 'conflict', 'insufficient_stock', 'only 3', details, cause],
    )
  })

  it('has the default code of its kind, no details and no cause unless they are given', () => {
    const plain = new AppError('not_found', 'no product 7')
    assert.deepEqual([plain.code, plain.details, 'cause' in plain], ['not_found', {}, false])
    assert.equal(new AppError('stale', 'the version has changed').code, 'stale_version')
  })
})

describe('kindOf and codeOf', () => {
  it('return the kind and code of an AppError, and internal for any other thrown value', () => {
    const error = new AppError('conflict', 'out of stock', { code: 'insufficient_stock' })
    assert.deepEqual([codeOf(error), kindOf(error)], ['insufficient_stock', 'conflict'])
    for (const thrown of [new Error('bug'), { code: 'not_found' }, 'not_found', null, undefined])
      assert.deepEqual([codeOf(thrown), kindOf(thrown)], ['internal', 'internal'])
  })
})

describe('requireWithin', () => {
  it('returns every whole number within the range, including both ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: -3, max: 7 }), (value) => requireWithin('/n', value, [-3, 7]) === value),
    )
    assert.deepEqual([requireWithin('/n', 1, [1, 9]), requireWithin('/n', 9, [1, 9])], [1, 9])
  })

  it('throws an error that names the field and the range for any other number', () => {
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
