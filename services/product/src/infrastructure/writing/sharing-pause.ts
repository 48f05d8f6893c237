/** A deadlock costs its statements a second, so this is at most a few percent of the time. */
const defaultPauseMs = 60_000

/**
 * Statements that write several products may deadlock with each other if a trigger of the table locks rows of other
 * tables, such as a counter for each category. After a deadlock, every product is written by a statement of its own for a
 * while, as if nothing could be shared. `warn` is called once.
 */
export const sharingPause = (warn: (message: string) => void, pauseMs = defaultPauseMs) => {
  let until = Number.NEGATIVE_INFINITY
  let isWarned = false
  return {
    isOn: (): boolean => performance.now() < until,
    begin: (): void => {
      until = performance.now() + pauseMs
      if (isWarned) return
      isWarned = true
      warn(
        'statements that write several products have deadlocked, so products are written one by one for a minute: does a trigger of products lock rows of another table?',
      )
    },
  }
}

export type SharingPause = ReturnType<typeof sharingPause>
