/** Logs numbered lines to a file until it is stopped, and reacts to SIGHUP as services do. Argument: folder. */
import { createLogger } from '../../../src/logging/logger.ts'
import { singleProcess } from '../../../src/process/host.ts'
import { run, untilStopped } from '../../../src/process/lifecycle.ts'
import { fileConfig } from '../../support/log-config.ts'

const [folder = ''] = process.argv.slice(2)

await run(async () => {
  const logger = await createLogger({ pid: process.pid }, fileConfig(folder))
  singleProcess.handleHangup(logger)
  let number = 0
  const write = () => {
    for (let line = 0; line < 10; line += 1) logger.info({ number: number++ }, 'line')
    setTimeout(write, 1)
  }
  write()
  process.stdout.write('started\n')
  await untilStopped(logger, { delayMs: 0 }, singleProcess, () => {})
})
