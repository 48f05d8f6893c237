import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeOnce, shareEncoding } from '../../src/grpc/calls/shared-encoding.ts'

describe('the encoding of a response', () => {
  let encoded = 0
  const serialize = ({ text }: { text: string }) => {
    encoded += 1
    return Buffer.from(text)
  }

  it('is shared by its callers only if it is marked', () => {
    for (const [response, expected] of [
      [shareEncoding({ text: 'page' }), 1],
      [{ text: 'page' }, 3],
    ] as const) {
      encoded = 0
      for (let caller = 0; caller < 3; caller++)
        assert.equal(encodeOnce(serialize, response).toString(), 'page')
      assert.equal(encoded, expected)
    }
  })

  it('is not encoded again', () => {
    const bytes = Buffer.from('page')
    assert.equal(encodeOnce(serialize, bytes), bytes)
  })
})
