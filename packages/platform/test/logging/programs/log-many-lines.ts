/** Logs 10,000 lines of 10 kB, then prints the memory growth to stderr. Arguments: format, output, folder. */
import { createLogger, type LogConfig } from '../../../src/logging/logger.ts'
import { fileConfig } from '../../support/log-config.ts'

const [format, output, folder = ''] = process.argv.slice(2)
const config = { output: output as LogConfig['output'], format: format as LogConfig['format'] }
const logger = await createLogger({ service: 'shop' }, fileConfig(folder, config))
const text = 'x'.repeat(10_000)
const before = process.memoryUsage.rss()
for (let line = 0; line < 10_000; line++) {
  logger.info({ text }, 'served')
  if (line % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
}
const growth = Math.round((process.memoryUsage.rss() - before) / 1024 / 1024)
process.stderr.write(`still running, memory grew by ${growth} MB\n`)
