/** What HTTP and gRPC have in common. */

/** Listens at every address of the machine. */
export const anyAddress = '0.0.0.0'

/** The longest request: of an HTTP body, and of a gRPC message. */
export const maxRequestBytes = 64 * 1024

/** How long a server that closes waits for what is under way. */
export const drainLimitMs = 8_000

/** All that a caller may know of a bug. */
export const internalMessage = 'something went wrong on our side'

export const overloadMessage = 'the service has more to do than it can'
