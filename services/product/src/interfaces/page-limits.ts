/** Maximum and default sizes of pages and top lists, and the maximum size of a batch. The minimum is 1. */
export const pageLimits = { page: 1_000, defaultPage: 100, top: 100, defaultTop: 10, batch: 1_000 } as const
