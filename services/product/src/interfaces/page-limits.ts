/** Maximum and default sizes of pages and top lists, and the maximum size of a batch. The minimum is 1. */
export const pageLimits = { page: 1_000, defaultPage: 100, top: 100, defaultTop: 10, batch: 1_000 } as const

export const pageSize = { minimum: 1, maximum: pageLimits.page } as const

const mebibyte = 1024 * 1024

/** A page of JSON ends at this size, whatever its limit. A top list is always whole: it has at most 2 MB, or more if its characters are escaped. */
export const maxJsonBytes = mebibyte

/** What is read for a page of JSON: most descriptions take at least as much in it, beside the other fields. */
export const maxJsonDescriptionBytes = maxJsonBytes - mebibyte / 16
