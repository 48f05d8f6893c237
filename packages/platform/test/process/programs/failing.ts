/** Runs a `main` with the outcome named by the first argument. The second one is the port to listen on. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { OperatorError } from '../../../src/config/operator-error.ts'
import { ConfigError } from '../../../src/config/variables.ts'
import { run } from '../../../src/process/lifecycle.ts'

const [outcome, port] = process.argv.slice(2)

const openAdapters = async () => {
  throw new TypeError('no such folder')
}

const outcomes: Readonly<Record<string, () => Promise<void>>> = {
  success: async () => {},
  'invalid configuration': async () => {
    throw new ConfigError([
      'PORT must be a whole number',
      'A_URL must be a URL such as redis://user:password@host',
    ])
  },
  'operator error': async () => {
    throw new OperatorError('cannot open postgres://user:p@ss@host/shop')
  },
  'operator error, and closing fails': async () => {
    await using stack = new AsyncDisposableStack()
    stack.defer(() => Promise.reject(new Error('not closed')))
    throw new OperatorError('the disk is full')
  },
  bug: openAdapters,
  'port in use': async () => {
    await once(createServer().listen(Number(port), '127.0.0.1'), 'listening')
  },
}

const main = outcomes[outcome ?? '']
if (main === undefined) throw new Error(`unknown outcome: ${outcome}`)
await run(main)
