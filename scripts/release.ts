/**
 * Writes the version of a release to every file that names it. The changelog must already have its section.
 */

import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'

const root = join(import.meta.dirname, '..')

/**
 * Files, and a pattern for each version in them. Its group is the text before the version. Packages name the
 * exact versions of the other packages of this project.
 */
const places: readonly (readonly [files: string, pattern: RegExp])[] = [
  [
    '{.,bench,bench/baselines/nest,packages/*,services/*,tests/client,scripts/bundle}/package.json',
    /(^ {2}"version": "|"@shop\/[a-z-]+": ")\d+\.\d+\.\d+/gm,
  ],
  ['dockerfiles/*.dockerfile', /(^ARG VERSION=)\d+\.\d+\.\d+/gm],
  ['deploy/k8s/kustomization.yml', /(\bnewTag: )\d+\.\d+\.\d+/g],
]

await run(async () => {
  const [version = ''] = process.argv.slice(2)
  if (!/^\d+\.\d+\.\d+$/.test(version))
    throw new OperatorError('Set VERSION to the version of the release, for example VERSION=1.2.3.')
  if (!readFileSync(join(root, 'CHANGELOG.md'), 'utf8').includes(`\n## [${version}] - `))
    throw new OperatorError(`CHANGELOG.md has no section "## [${version}] - date".`)
  for (const [files, pattern] of places)
    for (const file of globSync(files, { cwd: root })) {
      const text = readFileSync(join(root, file), 'utf8')
      writeFileSync(
        join(root, file),
        text.replaceAll(pattern, (_, before: string) => before + version),
      )
    }
})
