import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'
import { parseAllDocuments } from 'yaml'
import { folder, type Resource } from './manifests.ts'

const kubectl = async (...args: string[]) => (await promisify(execFile)('kubectl', args)).stdout

/** Older versions do not have what the manifests use. */
const withoutKubectl = await unlessReachable('kubectl with kustomize 5', async () =>
  assert.match(await kubectl('version', '--client'), /Kustomize Version: v5/),
)

type Change = (kustomization: string) => string

/** What `kubectl apply -k` would apply, after this change of the kustomization and of the secrets. */
const render = async (change: Change = String, changeSecret: Change = String) => {
  await using copy = await mkdtempDisposable(join(tmpdir(), 'kustomize-'))
  await cp(join(root, folder), copy.path, { recursive: true })
  for (const name of ['migration.env', 'product.env', 'basket.env', 'audit.env', 'api-keys']) {
    const file = join(copy.path, `secrets/${name}`)
    await writeFile(file, changeSecret(await readFile(`${file}.example`, 'utf8')))
  }
  const file = join(copy.path, 'kustomization.yml')
  await writeFile(file, change(await readFile(file, 'utf8')))
  const documents = parseAllDocuments(await kubectl('kustomize', copy.path))
  const resources = documents.map((document) => document.toJS() as Resource)
  return new Map(resources.map((resource) => [`${resource.kind} ${resource.metadata.name}`, resource]))
}

const withComponents: Change = (text) =>
  text.replace('# components:', 'components:').replace(/^# {3}- /gm, '  - ')

const podOf = (resource: Resource | undefined) => resource?.spec.template

describe('what kubectl apply -k applies', { skip: withoutKubectl }, () => {
  it('has in each reference to a secret the name of one, which changes with its content', async () => {
    const rendered = await render()
    const secrets = (all: typeof rendered) => [...all.keys()].filter((key) => key.startsWith('Secret '))
    assert.equal(secrets(rendered).length, 5)
    const references = [...rendered.values()].flatMap((resource) =>
      [
        ...JSON.stringify(resource).matchAll(
          /"secretKeyRef":\{"key":"\w+","name":"([^"]+)"|"secret":\{"secretName":"([^"]+)"/g,
        ),
      ].map(([, key, file]) => `Secret ${key ?? file}`),
    )
    assert.deepEqual(new Set(references), new Set(secrets(rendered)))
    // Both services read the API keys and the key of the audit log.
    assert.equal(references.length, 7)
    const changed = await render(String, (text) =>
      text.replaceAll('PASSWORD', 'other').replace('AUDIT_KEY=', 'AUDIT_KEY=other').concat('# changed\n'),
    )
    assert.equal(new Set(secrets(rendered)).intersection(new Set(secrets(changed))).size, 0)
  })

  it('changes only the images for a new version, of the init container too', async () => {
    const [before, after] = await Promise.all([
      render(),
      render((text) => text.replaceAll(/newTag: .*/g, 'newTag: 9.9.9')),
    ])
    assert.deepEqual([...before.keys()], [...after.keys()])
    const changed = [...before].filter(
      ([key, resource]) => JSON.stringify(resource) !== JSON.stringify(after.get(key)),
    )
    assert.deepEqual(
      changed.map(([key]) => key),
      ['Deployment basket-service', 'Deployment product-service'],
    )
    const { initContainers, containers } = podOf(after.get('Deployment product-service')).spec
    for (const { image } of [...initContainers, ...containers])
      assert.equal(image, 'shop/product-service:9.9.9')
    for (const [key, resource] of changed) {
      const restored = JSON.stringify(after.get(key)).replaceAll(':9.9.9', ':0.1.0')
      assert.equal(restored, JSON.stringify(resource).replaceAll(/(-service):[\d.]+"/g, '$1:0.1.0"'))
    }
  })

  it('has TLS with that component, with or without the Ingress, and keeps the other variables', async () => {
    const tls: Change = (text) =>
      text.replace('# components:', 'components:').replace('#   - components/tls', '  - components/tls')
    const [base, all, alone] = await Promise.all([render(), render(withComponents), render(tls)])
    for (const name of ['product-service', 'basket-service']) {
      const [before] = podOf(base.get(`Deployment ${name}`)).spec.containers
      for (const rendered of [all, alone]) {
        const pod = podOf(rendered.get(`Deployment ${name}`)).spec
        const env = new Map(pod.containers[0].env.map((each: { name: string }) => [each.name, each]))
        for (const { name: variable, ...value } of before.env)
          if (variable !== 'PRODUCT_SERVICE_URL')
            assert.deepEqual(env.get(variable), { name: variable, ...value })
        assert.ok(env.has('TLS_CERT_FILE') && env.has('TLS_KEY_FILE'))
        assert.deepEqual(
          pod.volumes.map(({ secret }: { secret: { secretName: string } }) =>
            secret.secretName.replace(/-\w{10}$/, ''),
          ),
          [`${name}-tls`, 'api-keys'],
        )
      }
    }
    assert.deepEqual(all.get('Ingress shop')?.metadata, {
      annotations: { 'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS' },
      name: 'shop',
      namespace: 'shop',
    })
    assert.equal(alone.has('Ingress shop'), false)
  })

  it('has an Ingress and a PodMonitor, instead of annotations, with the components', async () => {
    const [base, all] = await Promise.all([render(), render(withComponents)])
    assert.deepEqual(
      [...all.keys()].filter((key) => !base.has(key)),
      ['Certificate basket-service', 'Certificate product-service', 'PodMonitor shop', 'Ingress shop'],
    )
    for (const resource of all.values())
      assert.ok(resource.kind === 'Namespace' || 'namespace' in resource.metadata)
    for (const name of ['product-service', 'basket-service']) {
      assert.equal(podOf(base.get(`Deployment ${name}`)).metadata.annotations['prometheus.io/scrape'], 'true')
      assert.equal(podOf(all.get(`Deployment ${name}`)).metadata.annotations, undefined)
    }
  })
})
