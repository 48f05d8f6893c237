import { type Bulkhead, type BulkheadOptions, createBulkhead } from './bulkhead.ts'

/** Runs the tasks of one key one at a time; those of other keys do not wait for them. Every key has a queue of its own. */
export const keyedBulkhead = (options: Omit<BulkheadOptions, 'slots'>) => {
  const bulkheads = new Map<string | number, Bulkhead>()
  const bulkheadOf = (key: string | number): Bulkhead => {
    const known = bulkheads.get(key)
    if (known !== undefined) return known
    const bulkhead = createBulkhead({ ...options, slots: 1 })
    bulkheads.set(key, bulkhead)
    return bulkhead
  }
  return async <Result>(key: string | number, task: () => Promise<Result>): Promise<Result> => {
    const bulkhead = bulkheadOf(key)
    try {
      return await bulkhead.run(task)
    } finally {
      if (bulkhead.isIdle()) bulkheads.delete(key)
    }
  }
}
