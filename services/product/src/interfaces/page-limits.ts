/** Pages and top lists have at least one product and at most this many. */
export const pageLimits = { page: 1_000, defaultPage: 100, top: 100, defaultTop: 10, batch: 1_000 } as const
