import assert from 'node:assert/strict'
import { basename, dirname } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { basketVariables, readConfig } from '../../services/basket/src/config.ts'
import { type Container, ofKind, read } from './manifests.ts'

type Patched = Readonly<{
  metadata: { name: string }
  spec: {
    template: {
      spec: {
        containers: (Pick<Container, 'name' | 'env'> & {
          volumeMounts: { name: string; mountPath: string }[]
        })[]
        volumes: { name: string; secret: { secretName: string } }[]
      }
    }
  }
}>

const patches: readonly Patched[] = parse(read('components/tls/kustomization.yml'))
  .patches.map(({ patch }: { patch: string }) => parse(patch))
  .filter(({ kind }: { kind: string }) => kind === 'Deployment')

const certificateOf = (secretName: string) =>
  ofKind('Certificate').find(({ spec }) => spec.secretName === secretName)

const valuesOf = ({ spec }: Patched): Record<string, string> =>
  Object.fromEntries(
    spec.template.spec.containers.flatMap(({ env }) => env.map(({ name, value = '' }) => [name, value])),
  )

describe('the component for TLS', () => {
  it('gives each service a certificate, and mounts the files that the variables name', () => {
    assert.deepEqual(
      patches.map(({ metadata }) => metadata.name),
      ['product-service', 'basket-service'],
    )
    for (const patch of patches) {
      const { containers, volumes } = patch.spec.template.spec
      const [container] = containers
      assert.equal(container?.name, patch.metadata.name)
      const [mount] = container.volumeMounts
      const [volume] = volumes
      assert.equal(mount?.name, volume?.name)
      assert.deepEqual(certificateOf(volume?.secret.secretName ?? '')?.metadata.name, patch.metadata.name)
      const paths = Object.entries(valuesOf(patch)).filter(([name]) => name.endsWith('_FILE'))
      assert.ok(paths.length >= 2)
      for (const [name, path] of paths) {
        assert.equal(dirname(path), mount?.mountPath, name)
        // What cert-manager writes into the Secret.
        const end = (['CERT_FILE', 'KEY_FILE', 'CA_FILE'] as const).find((part) => name.endsWith(part))
        assert.equal(
          basename(path),
          { CERT_FILE: 'tls.crt', KEY_FILE: 'tls.key', CA_FILE: 'ca.crt' }[end ?? 'CA_FILE'],
          name,
        )
      }
    }
  })

  it('has in the certificate of the product service the name that the basket service verifies', () => {
    const [product, basket] = patches.map(valuesOf)
    assert.deepEqual(Object.keys(product ?? {}), ['TLS_CERT_FILE', 'TLS_KEY_FILE'])
    const names = Object.keys(basket ?? {}).filter((name) => name.startsWith('PRODUCT_SERVICE_'))
    assert.equal(names.length, 4)
    for (const name of names) assert.ok(name in basketVariables.properties, name)
    const { PRODUCT_SERVICE_URL = '' } = basket ?? {}
    assert.equal(readConfig({ PRODUCT_SERVICE_URL }).productService.tls?.files.ca, undefined)
    const [, host, port] = /^dns\+https:\/\/\/([^:]+):(\d+)$/.exec(PRODUCT_SERVICE_URL) ?? []
    const service = ofKind('Service').find(({ metadata }) => metadata.name === host)
    assert.equal(service?.spec.ports[0].port, Number(port))
    assert.equal(certificateOf('product-service-tls')?.spec.dnsNames[0], host)
    assert.ok(certificateOf('basket-service-tls')?.spec.usages.includes('client auth'))
  })
})
