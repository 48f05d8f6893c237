import { AppError, kindOf } from '@shop/kernel/errors.ts'
import { errorCodeOf } from '@shop/redis/error-reply.ts'

/**
 * Whether the basket may be stored although the write failed: the store did not respond in time, or did not confirm the
 * write. If Redis refuses the write with an error reply, nothing is stored.
 */
export const mayBeStored = (error: unknown): boolean =>
  kindOf(error) === 'unavailable' && error instanceof AppError && errorCodeOf(error.cause) === undefined
