/** Logs JSON while libraries and Node.js write warnings. */
import { redirectConsole } from '../../../src/logging/console.ts'
import { createLogger } from '../../../src/logging/logger.ts'

const [folder = ''] = process.argv.slice(2)
const logger = await createLogger(
  { service: 'shop' },
  { level: 'info', format: 'json', output: 'console', folder, file: 'shop.log', secrets: [] },
)
redirectConsole(logger)
// Not called as `console.log`, which the linter forbids.
const { error, warn, log } = console
error('`query` failed: %s', new Error('timeout').message)
warn('100 % sure')
log({ line: 1 })
process.emitWarning('MaxListeners exceeded')
setTimeout(() => {
  throw new TypeError('the last words')
}, 10)
