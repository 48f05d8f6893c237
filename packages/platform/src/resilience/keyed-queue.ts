import { AppError } from '@shop/kernel/errors.ts'

/**
 * Runs the tasks of one key one at a time, in order of arrival; tasks of different keys run concurrently. At
 * most `limit` tasks of a key may run or wait; further tasks are rejected with `unavailable` and this
 * message.
 */
export const keyedQueue = (limit: number, message: string) => {
  const queues = new Map<string, { last: Promise<unknown>; length: number }>()

  return <Result>(key: string, task: () => Promise<Result>): Promise<Result> => {
    const queue = queues.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (queue.length >= limit) return Promise.reject(new AppError('unavailable', message))
    queue.length += 1
    queues.set(key, queue)
    const result = queue.last.then(task)
    queue.last = result
      .catch(() => {})
      .finally(() => {
        queue.length -= 1
        if (queue.length === 0) queues.delete(key)
      })
    return result
  }
}
