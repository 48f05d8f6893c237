/** Checks the OpenAPI documents with all rules of spectral for OpenAPI, except those listed here. */

import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import spectral, { type RulesetDefinition } from '@stoplight/spectral-core'
import rulesets from '@stoplight/spectral-rulesets'

const folder = join(import.meta.dirname, '../api/openapi')
const { positionals } = parseArgs({ allowPositionals: true })
const files =
  positionals.length > 0 ? positionals : ['product.json', 'basket.json'].map((name) => join(folder, name))

const linter = new spectral.Spectral()
linter.setRuleset({
  extends: [[rulesets.oas as RulesetDefinition, 'all']],
  // docs/decisions/0032-openapi-documents-are-linted.md says why.
  rules: {
    'info-contact': 'off',
    'license-url': 'off',
    'openapi-tags-alphabetical': 'off',
    'oas3-operation-security-defined': 'off',
  },
})

const findingsIn = async (file: string): Promise<string[]> => {
  const findings = await linter.run(JSON.parse(readFileSync(file, 'utf8')))
  return findings.map(
    ({ code, path, message }) => `${basename(file)}: ${path.join('.')}: ${message} (${code})`,
  )
}

await run(async () => {
  const findings = (await Promise.all(files.map(findingsIn))).flat()
  if (findings.length > 0) throw new OperatorError(findings.join('\n'))
})
