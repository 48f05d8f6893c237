import { AppError } from '@shop/kernel/errors.ts'
import { type AsyncFunctions, decorate } from '../decorate.ts'
import { isBusy } from './sqlite.ts'

/** Returns the adapter with lock timeouts mapped to `unavailable` errors with this message. */
export const mapSqliteErrors = <Adapter extends AsyncFunctions>(adapter: Adapter, message: string): Adapter =>
  decorate(adapter, async (_name, call) => {
    try {
      return await call()
    } catch (error) {
      if (isBusy(error)) throw new AppError('unavailable', message, { cause: error })
      throw error
    }
  })
