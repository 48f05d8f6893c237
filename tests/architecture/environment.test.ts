import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'

it('the layers of a service get variables of the environment as its configuration, and read none', () => {
  const files = filesOf('services/*/src/{domain,application,infrastructure,interfaces,jobs}', '.ts')
  assert.ok(files.length > 50)
  assert.deepEqual(
    files
      .filter((file) => /\bprocess\.env\b|'node:process'/.test(readFileSync(file, 'utf8')))
      .map((file) => relative(root, file)),
    [],
  )
})
