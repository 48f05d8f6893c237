import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { resources } from './manifests.ts'

/**
 * The modules of kubernetes-types, which are made from the OpenAPI document of Kubernetes (1.30 of October 2025, 0.9 MB, no
 * dependencies and no code). A schema of our own would only repeat what we believe.
 */
const moduleOf = (apiVersion: string): string =>
  ({ v1: 'core/v1', 'networking.k8s.io/v1': 'networking/v1' })[apiVersion] ?? apiVersion

/** A program in which each resource is a literal of the type of its kind: the compiler then refuses unknown members too. */
const programOf = (checked: readonly Readonly<{ apiVersion: string; kind: string }>[]): string =>
  checked
    .map((resource, index) => {
      const path = join(root, 'node_modules/kubernetes-types', moduleOf(resource.apiVersion))
      return `export const resource${index}: import('${path}').${resource.kind} = ${JSON.stringify(resource)}\n`
    })
    .join('')

const compile = (source: string): string => {
  const folder = mkdtempSync(join(tmpdir(), 'kubernetes-'))
  try {
    writeFileSync(join(folder, 'resources.ts'), source)
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
    ]
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), [...options, 'resources.ts'], {
      cwd: folder,
      encoding: 'utf8',
    })
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it('the Kubernetes manifests have only members that the API knows, with values of their types', () => {
  // Resources of the Prometheus Operator and of cert-manager.
  const checked = resources.filter(({ kind }) => kind !== 'PodMonitor' && kind !== 'Certificate')
  assert.ok(checked.length >= 18)
  assert.equal(compile(programOf(checked)), '')
  // Control: an unknown member, and a string instead of a list.
  const policy = (spec: object) => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', spec })
  const output = compile(
    programOf([
      policy({ podSelector: {}, policyType: [] }),
      policy({ podSelector: {}, policyTypes: 'Egress' }),
    ]),
  )
  assert.match(output, /'policyType' does not exist|"policyType"' does not exist/)
  assert.match(output, /'string' is not assignable to type 'string\[\]'/)
})
