/** Compares the OpenAPI documents with the last release, and reports every change that breaks clients. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { breaksOf } from './openapi-breaking/documents.ts'
import { rules } from './openapi-breaking/rules.ts'

const api = join(import.meta.dirname, '../api')
const { values } = parseArgs({
  options: {
    released: { type: 'string', default: join(api, 'released/openapi') },
    current: { type: 'string', default: join(api, 'openapi') },
  },
})

const breaksOfDocument = (name: string): string[] => {
  const read = (folder: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  if (!existsSync(join(values.current, name)))
    return [`${name}: removed (document-removed: ${rules['document-removed']})`]
  return breaksOf(read(values.released), read(values.current)).map(
    ({ path, method, what, rule }) => `${name}: ${method} ${path}: ${what} (${rule}: ${rules[rule]})`,
  )
}

await run(async () => {
  const names = readdirSync(values.released)
  if (names.length === 0) throw new OperatorError(`There are no released documents in ${values.released}.`)
  const breaks = names.flatMap(breaksOfDocument)
  if (breaks.length > 0) throw new OperatorError(breaks.join('\n'))
})
