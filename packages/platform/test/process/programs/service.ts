/**
 * Runs until it is stopped, then takes some time to close. Arguments, in milliseconds: the time to close, the
 * shutdown delay, and optionally a JSON array of steps by which a mocked clock advances after SIGTERM.
 */
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { singleProcess } from '../../../src/process/host.ts'
import { run, untilStopped } from '../../../src/process/lifecycle.ts'

const [closingMs, delayMs, steps] = process.argv.slice(2)

const print = (text: string): void => void process.stdout.write(`${text}\n`)
const logger = {
  info: (_fields: unknown, text?: string) => print(text ?? ''),
  fatal: (_fields: unknown, text?: string) => print(text ?? ''),
}

if (steps !== undefined) {
  setTimeout(() => process.exit(9), 10_000).unref()
  mock.timers.enable({ apis: ['setTimeout'] })
  const advanceClock = async () => {
    for (const step of JSON.parse(steps)) {
      await new Promise(setImmediate)
      print(`+${step}`)
      mock.timers.tick(step)
    }
  }
  process.once('SIGTERM', () => void advanceClock())
}

await run(async () => {
  const keepAlive = setInterval(() => {}, 1_000)
  const stopped = untilStopped(logger, { delayMs: Number(delayMs) }, singleProcess, () => print('not ready'))
  print('started')
  await stopped
  await delay(Number(closingMs))
  clearInterval(keepAlive)
  print('closed')
})
