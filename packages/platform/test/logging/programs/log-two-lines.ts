/** Logs two lines and exits, or crashes when `end` is `crash`. Arguments: output, folder, format, end. */
import { createLogger, type LogConfig, withoutRedaction } from '../../../src/logging/logger.ts'
import { fileConfig } from '../../support/log-config.ts'

const [output, folder = '', format, end] = process.argv.slice(2)
const config = { output: output as LogConfig['output'], format: format as LogConfig['format'] }
const logger = await createLogger({ service: 'test-service' }, fileConfig(folder, config))
logger.info('first')
withoutRedaction(logger).info({}, 'last')
if (end === 'crash') throw new Error('crashed')
process.exit(0)
