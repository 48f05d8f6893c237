import { readdirSync, readFileSync } from 'node:fs'

/** The content of a file of /proc. Empty if its process or thread has ended, or on another system than Linux. */
const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const threadsOf = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

/** The process and its children. */
const withChildren = (pid: number): number[] => [
  pid,
  ...threadsOf(pid)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((child) => child.trim() !== '')
    .map(Number),
]

/** The CPU time that processes have used so far, in seconds, by process id. */
export type Usage = ReadonlyMap<number, number>

/**
 * The CPU times of processes and their children. Read from `schedstat`, which counts nanoseconds: `stat` counts
 * 10 ms, and PostgreSQL has many processes that use less.
 */
export const usageOf = (pids: readonly number[]): Usage =>
  new Map(
    pids.flatMap(withChildren).map((pid) => {
      const times = threadsOf(pid).map((thread) =>
        Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0]),
      )
      return [pid, times.reduce((sum, time) => sum + time, 0) / 1e9]
    }),
  )

/** The seconds used between two readings. A process that ended in between does not count. */
export const secondsBetween = (before: Usage, after: Usage): number =>
  [...after].reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0)

/** The resident memory of the largest among the processes and their children, in MB. */
export const residentMegabytes = (pids: readonly number[]): number =>
  Math.max(
    0,
    ...pids.flatMap(withChildren).map((pid) => {
      const [, kilobytes = 0] = /^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? []
      return Number(kilobytes) / 1024
    }),
  )

/** The id of the parent of process `pid`. Undefined unless `pid` is a process on this machine whose command line starts with `program`. */
export const parentOf = (pid: number, program: string): number | undefined => {
  if (!read(`/proc/${pid}/cmdline`).startsWith(program)) return undefined
  const [, parent] = /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? []
  return Number(parent)
}

/** Whether the process exists on this machine and runs `program`. */
export const isProgram = (pid: number, program: string): boolean =>
  read(`/proc/${pid}/comm`).startsWith(program)
