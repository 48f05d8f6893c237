import { type FileContent, readFileAgain } from './config/bounded-file.ts'
import { withDeadline } from './resilience/deadline.ts'

const deadlineMs = 5_000

const hanging = { problem: `must name a file that can be read within ${deadlineMs / 1_000} s` } as const

/**
 * Returns a function that reads the file again, for files that may change while the service runs. Only one reading runs at a
 * time, also after the deadline: a file system that hangs must not collect readers.
 */
export const fileReader = (path: string, maxBytes: number): (() => Promise<FileContent>) => {
  let reading: Promise<FileContent> | undefined
  return () => {
    reading ??= readFileAgain(path, maxBytes).finally(() => {
      reading = undefined
    })
    return withDeadline(deadlineMs, hanging.problem, reading).catch(() => hanging)
  }
}
