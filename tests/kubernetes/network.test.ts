import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { container, deployments, exampleUrl, ofKind } from './manifests.ts'
import { type End, isAllowed, shopPod } from './network.ts'

const product = shopPod('product-service')
const basket = shopPod('basket-service')
const other = shopPod('debug')
const inNamespace = (namespace: string, labels = {}): End => ({ namespace, labels })
const ingressController = inNamespace('ingress-nginx')
const monitoring = inNamespace('monitoring')
const prometheus = inNamespace('monitoring', { 'app.kubernetes.io/name': 'prometheus' })
const databases = inNamespace('databases')
const dns = inNamespace('kube-system', { 'k8s-app': 'kube-dns' })
const internet: End = {}

/** The namespace in a name such as `postgres.databases`, and the port. */
const serverAt = ({ hostname, port }: URL) => ({
  to: inNamespace(hostname.split('.')[1] ?? ''),
  port: Number(port),
})

const portOf = (app: string, name: string): number => {
  const deployment = deployments.find(({ metadata }) => metadata.name === app)
  assert.ok(deployment)
  return container(deployment).ports?.find((port) => port.name === name)?.containerPort ?? 0
}

describe('the network policies', () => {
  it('allow what the shop needs: its addresses, scrapes, requests, traces and DNS', () => {
    const basketDeployment = deployments.find(({ metadata }) => metadata.name === 'basket-service')
    assert.ok(basketDeployment)
    const [, grpcPort] =
      /:(\d+)$/.exec(
        container(basketDeployment).env.find(({ name }) => name === 'PRODUCT_SERVICE_URL')?.value ?? '',
      ) ?? []
    const needed = [
      { from: product, ...serverAt(exampleUrl('product-service')) },
      { from: product, ...serverAt(exampleUrl('product-migration')) },
      { from: basket, ...serverAt(exampleUrl('basket-service')) },
      { from: basket, to: product, port: Number(grpcPort) },
      ...[product, basket].flatMap((service) => [
        { from: service, to: monitoring, port: 4318 },
        { from: service, to: dns, port: 53 },
        { from: service, to: dns, port: 53, protocol: 'UDP' as const },
        ...(
          [
            [ingressController, 'http'],
            [prometheus, 'operations'],
          ] as const
        ).map(([from, name]) => ({
          from,
          to: service,
          port: portOf(service.labels?.['app'] ?? '', name),
        })),
      ]),
    ]
    assert.equal(needed.length, 14)
    for (const connection of needed) assert.ok(isAllowed(connection), JSON.stringify(connection))
  })

  it('deny everything else', () => {
    const ends = {
      product,
      basket,
      other,
      ingressController,
      monitoring,
      prometheus,
      databases,
      dns,
      internet,
    }
    const stranger = { stranger: inNamespace('default'), kubeSystem: inNamespace('kube-system') }
    const all: Readonly<Record<string, End>> = { ...ends, ...stranger }
    const ports = [53, 80, 443, 4317, 4318, 5432, 6379, 6443, 8080, 8081, 9080, 9081, 9090, 50_050]
    const allowed = Object.entries(all).flatMap(([source, from]) =>
      Object.entries(all).flatMap(([target, to]) =>
        from.namespace === 'shop' || to.namespace === 'shop'
          ? ports
              .filter((port) => source !== target && isAllowed({ from, to, port }))
              .map((port) => `${source} → ${target}:${port}`)
          : [],
      ),
    )
    assert.deepEqual(allowed.toSorted(), [
      'basket → databases:6379',
      'basket → dns:53',
      'basket → monitoring:4318',
      'basket → product:50050',
      'basket → prometheus:4318',
      'ingressController → basket:8081',
      'ingressController → product:8080',
      'other → dns:53',
      'product → databases:5432',
      'product → dns:53',
      'product → monitoring:4318',
      'product → prometheus:4318',
      'prometheus → basket:9081',
      'prometheus → product:9080',
    ])
    for (const port of [4318, 5432, 6379])
      for (const from of [product, basket])
        assert.ok(!isAllowed({ from, to: port === 4318 ? monitoring : databases, port, protocol: 'UDP' }))
  })

  it('apply to every pod of the namespace', () => {
    const [deny] = ofKind('NetworkPolicy')
    assert.deepEqual(deny?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  })
})
