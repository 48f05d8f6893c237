/** Constants and errors shared by HTTP and gRPC. */

import { AppError } from '@shop/kernel/errors.ts'

/** The maximum size of a gRPC message, and of an HTTP body unless the service accepts larger ones. */
export const maxRequestBytes = 64 * 1024

/** How long a closing server waits for running requests. */
export const drainLimitMs = 8_000

/** The message that callers see for any bug. */
export const internalMessage = 'something went wrong on our side'

/**
 * The abort reason of work whose caller no longer waits. Created once: there may be many at a time, and each
 * would capture its own stack trace.
 */
export const callerGoneError = new AppError('unavailable', 'the caller is no longer waiting')

export const overloadMessage = 'overloaded, try again later'
