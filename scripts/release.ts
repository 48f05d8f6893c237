/** Writes the version of a release wherever it is named. The CHANGELOG must have its section. */

import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'

const root = join(import.meta.dirname, '..')

/** Files → what stands before the version in them. A package of this project is pinned by the others. */
const places: readonly (readonly [files: string, before: RegExp])[] = [
  ['{.,bench,packages/*,services/*}/package.json', /(^ {2}"version": "|"@shop\/[a-z-]+": ")\d+\.\d+\.\d+/gm],
  ['dockerfiles/*.dockerfile', /(^ARG VERSION=)\d+\.\d+\.\d+/gm],
  ['deploy/k8s/kustomization.yml', /(\bnewTag: )\d+\.\d+\.\d+/g],
]

await run(async () => {
  const [version = ''] = process.argv.slice(2)
  if (!/^\d+\.\d+\.\d+$/.test(version)) throw new OperatorError('VERSION=x.y.z names the release.')
  if (!readFileSync(join(root, 'CHANGELOG.md'), 'utf8').includes(`\n## [${version}] - `))
    throw new OperatorError(`CHANGELOG.md has no section "## [${version}] - date".`)
  for (const [files, before] of places)
    for (const file of globSync(files, { cwd: root })) {
      const text = readFileSync(join(root, file), 'utf8')
      writeFileSync(
        join(root, file),
        text.replaceAll(before, (_, start: string) => start + version),
      )
    }
})
