/** Logs two lines to the output and folder of its arguments, then exits, or crashes when the third argument says so. */
import { createLogger, type LogConfig } from '../../../src/logging/logger.ts'
import { fileConfig } from '../../support/log-config.ts'

const [output, folder = '', format, end] = process.argv.slice(2)
const config = { output: output as LogConfig['output'], format: format as LogConfig['format'] }
const logger = await createLogger({ service: 'test-service' }, fileConfig(folder, config))
logger.info('first')
logger.info('last')
if (end === 'a crash') throw new Error('crashed')
process.exit(0)
