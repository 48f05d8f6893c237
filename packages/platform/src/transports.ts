/** What HTTP and gRPC have in common. */

import { AppError } from '@shop/kernel/errors.ts'

/** Listens at every address of the machine. */
export const anyAddress = '0.0.0.0'

/** The longest request: of an HTTP body, and of a gRPC message. */
export const maxRequestBytes = 64 * 1024

/** How long a server that closes waits for what is under way. */
export const drainLimitMs = 8_000

/** All that a caller may know of a bug. */
export const internalMessage = 'something went wrong on our side'

/** Why work is given up that nobody waits for. Made once: there may be many at a time, and each would take its stack. */
export const callerGone = new AppError('unavailable', 'the caller is no longer waiting')

export const overloadMessage = 'overloaded, try again later'
