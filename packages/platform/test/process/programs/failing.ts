/** A program whose `main` fails, or not, as its argument says. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { OperatorError } from '../../../src/config/operator-error.ts'
import { ConfigError } from '../../../src/config/variables.ts'
import { run } from '../../../src/process/lifecycle.ts'

const [kind, port] = process.argv.slice(2)

const openAdapters = async () => {
  throw new TypeError('no such folder')
}

const endings: Readonly<Record<string, () => Promise<void>>> = {
  well: async () => {},
  'bad configuration': async () => {
    throw new ConfigError(['PORT must be a whole number', 'NAME is required'])
  },
  operator: async () => {
    throw new OperatorError('the folder is in use')
  },
  bug: openAdapters,
  'taken port': async () => {
    await once(createServer().listen(Number(port), '127.0.0.1'), 'listening')
  },
}

const main = endings[kind ?? '']
if (main === undefined) throw new Error(`there is no ending ${kind}`)
await run(main)
