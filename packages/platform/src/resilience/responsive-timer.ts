/** How often the timer looks whether the event loop runs. */
const stepMs = 20

/** A step that takes longer than this was stalled: by work of the process itself, or for lack of CPU time. */
const maxStepMs = 30

/**
 * Calls `expire` after `ms` in which the process could receive a response. Time in which its event loop was stalled does not
 * count, because nobody else took it; but `expire` is called after twice as long at the latest. Disposal stops the timer.
 */
export const afterResponsiveTime = (ms: number, expire: () => void): Disposable => {
  const end = performance.now() + 2 * ms
  let left = ms
  let last = performance.now()
  const step = () => {
    const now = performance.now()
    left -= Math.min(now - last, maxStepMs)
    last = now
    if (left <= 0 || now >= end) expire()
    else timer = setTimeout(step, Math.min(stepMs, left))
  }
  let timer = setTimeout(step, Math.min(stepMs, left))
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
