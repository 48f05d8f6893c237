import { AppError } from '@shop/kernel/errors.ts'

/**
 * Runs the tasks of one key one after the other, in the order in which they come, and those of different keys at the
 * same time. At most `limit` tasks of a key may run or wait; more are refused with `unavailable`
 * and the text `refusal`.
 */
export const keyedQueue = (limit: number, refusal: string) => {
  const queues = new Map<string, { last: Promise<unknown>; length: number }>()

  return <Result>(key: string, task: () => Promise<Result>): Promise<Result> => {
    const queue = queues.get(key) ?? { last: Promise.resolve(), length: 0 }
    if (queue.length >= limit) return Promise.reject(new AppError('unavailable', refusal))
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
