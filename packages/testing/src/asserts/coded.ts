import assert from 'node:assert/strict'
import { AppError } from '@shop/kernel/errors.ts'

/** For `assert.rejects` and `assert.throws`: an error with this code, and these details when they are given. */
export const coded = (code: string, details?: object) => (error: unknown) => {
  if (!(error instanceof AppError)) throw error
  assert.equal(error.code, code)
  if (details !== undefined) assert.deepEqual(error.details, details)
  return true
}
