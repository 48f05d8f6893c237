import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesOf, root } from '@shop/testing/files.ts'
import { parse, parseAllDocuments } from 'yaml'

export const folder = 'deploy/k8s'

type Json = ReturnType<typeof JSON.parse>
export type Resource = Readonly<{ apiVersion: string; kind: string; metadata: { name: string }; spec: Json }>

export type Container = Readonly<{
  name: string
  image: string
  args?: string[]
  env: {
    name: string
    value?: string
    valueFrom?: Partial<Record<'secretKeyRef' | 'configMapKeyRef', { name: string; key: string }>>
  }[]
  ports?: { name: string; containerPort: number }[]
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[]
  resources: Record<'requests' | 'limits', { cpu: string; memory: string }>
  securityContext: object
}> &
  Record<`${'startup' | 'liveness' | 'readiness'}Probe`, Json>

export const read = (path: string): string => readFileSync(join(root, folder, path), 'utf8')

export const kustomization = parse(read('kustomization.yml'))

/** The paths below the folder. */
export const files = filesOf(folder, '.yml').map((file) => file.slice(join(root, folder).length + 1))

/** Everything that is applied, including the optional components. */
export const resources = files
  .filter((file) => !file.endsWith('kustomization.yml'))
  .flatMap((file) => parseAllDocuments(read(file)))
  .map((document) => document.toJS() as Resource)

export const ofKind = (kind: string): readonly Resource[] =>
  resources.filter((resource) => resource.kind === kind)

export const deployments = ofKind('Deployment')

/** The container that serves. */
export const container = ({ spec }: Resource): Container => spec.template.spec.containers[0]

export const initContainers = ({ spec }: Resource): readonly Container[] =>
  spec.template.spec.initContainers ?? []

export const containers = deployments.flatMap((deployment) => [
  ...initContainers(deployment),
  container(deployment),
])

/** The URL in the example file of a secret. */
export const exampleUrl = (secret: string): URL => {
  const { envs } = kustomization.secretGenerator.find(({ name }: { name: string }) => name === secret)
  const [, url = ''] = /^[A-Z_]+=(.+)$/m.exec(read(`${envs[0]}.example`)) ?? []
  return new URL(url)
}
