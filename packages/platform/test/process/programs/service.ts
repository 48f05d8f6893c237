/**
 * Runs until it is stopped, and then takes some time to close. Arguments: how long it takes to close and how long it serves on,
 * in milliseconds; then, as JSON, the steps by which time passes after SIGTERM, if it is to pass by itself no more.
 */
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { singleProcess } from '../../../src/process/host.ts'
import { run, untilStopped } from '../../../src/process/lifecycle.ts'

const [closingMs, delayMs, steps] = process.argv.slice(2)

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const logger = {
  info: (_fields: unknown, text?: string) => say(text ?? ''),
  fatal: (_fields: unknown, text?: string) => say(text ?? ''),
}

if (steps !== undefined) {
  setTimeout(() => process.exit(9), 10_000).unref()
  mock.timers.enable({ apis: ['setTimeout'] })
  const pass = async () => {
    for (const step of JSON.parse(steps)) {
      await new Promise(setImmediate)
      say(`+${step}`)
      mock.timers.tick(step)
    }
  }
  process.once('SIGTERM', () => void pass())
}

await run(async () => {
  const open = setInterval(() => {}, 1_000)
  const stopped = untilStopped(logger, { delayMs: Number(delayMs) }, singleProcess, () => say('not ready'))
  say('started')
  await stopped
  await delay(Number(closingMs))
  clearInterval(open)
  say('closed')
})
