import assert from 'node:assert/strict'
import { AppError } from '@shop/kernel/errors.ts'

/** For `assert.rejects` and `assert.throws`: checks the error's code and, if given, its details. */
export const hasCode = (code: string, details?: object) => (error: unknown) => {
  if (!(error instanceof AppError)) throw error
  assert.equal(error.code, code)
  if (details !== undefined) assert.deepEqual(error.details, details)
  return true
}
