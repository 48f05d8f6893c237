import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'
import { parse, parseAllDocuments } from 'yaml'
import { basketVariables } from '../services/basket/src/config.ts'
import { productVariables, readConfig } from '../services/product/src/config.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const variables = {
  'product-service': new Set(Object.keys(productVariables.properties)),
  'basket-service': new Set(Object.keys(basketVariables.properties)),
}

type Service = keyof typeof variables

/** The names that the service does not read; `NODE_*` variables are read by Node.js itself. */
const unreadVariables = (service: Service, names: readonly string[]): string[] =>
  names.filter((name) => !name.startsWith('NODE_') && !variables[service].has(name))

type Compose = Readonly<{
  services: Record<
    string,
    {
      image: string
      command?: string
      build?: { dockerfile: string }
      environment?: Record<string, string>
      depends_on?: object | string[]
      volumes?: string[]
      stop_grace_period?: string
      networks?: { default: { aliases: string[] } }
    }
  >
  volumes: object
}>

describe('docker-compose.yml', () => {
  const { services, volumes } = parse(read('docker-compose.yml'), { merge: true }) as Compose
  const builtServices = Object.entries(services).filter(([, { build }]) => build !== undefined)

  it('sets only variables that the services read, and refers to dockerfiles that exist', () => {
    assert.equal(builtServices.length, 4)
    for (const [name, { build, environment = {} }] of builtServices) {
      const service = name.replace(/-2$/, '') as Service
      assert.deepEqual(unreadVariables(service, Object.keys(environment)), [])
      assert.ok(existsSync(join(root, build?.dockerfile ?? '')))
    }
  })

  it('starts the stores with the settings that docs/durability.md names', () => {
    assert.match(services['redis']?.command ?? '', / --appendonly yes --appendfsync everysec /)
    assert.equal(services['postgres']?.command, undefined)
  })

  it('refers only to services, volumes and files that exist', () => {
    for (const { depends_on = [], volumes: mounted = [] } of Object.values(services)) {
      const dependencies = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
      for (const name of dependencies) assert.ok(name in services, name)
      for (const mount of mounted) {
        const [source = ''] = mount.split(':')
        assert.ok(source.startsWith('./') ? existsSync(join(root, source)) : source in volumes, source)
      }
    }
    const { include } = parse(read('docker-compose.yml')) as { include: string[] }
    for (const file of include) assert.ok(existsSync(join(root, file)), file)
  })

  it('has exactly one instance, which exposes the right port, for each server in haproxy.cfg', () => {
    const hostNamesOf = ([name, { networks }]: [string, Compose['services'][string]]) => [
      name,
      ...(networks?.default.aliases ?? []),
    ]
    const servers = [...read('deploy/haproxy/haproxy.cfg').matchAll(/^ {2}server \w+ ([\w-]+):(\d+)/gm)]
    assert.equal(servers.length, 6)
    for (const [, host = '', port] of servers) {
      const instances = builtServices.filter((service) => hostNamesOf(service).includes(host))
      assert.equal(instances.length, 1, host)
      const dockerfile = read(instances[0]?.[1].build?.dockerfile ?? '')
      assert.match(dockerfile, new RegExp(`^EXPOSE .*\\b${port}\\b`, 'm'), host)
    }
  })

  it('gives each service more time to stop than a shutdown takes', () => {
    // The default shutdown delay of 5 s, then at most 10 s to close.
    for (const [, { stop_grace_period: period = '' }] of builtServices)
      assert.ok(Number.parseInt(period, 10) > 5 + 10)
  })
})

for (const service of ['product', 'basket'] as const)
  describe(`dockerfiles/${service}.dockerfile`, () => {
    const lines = read(`dockerfiles/${service}.dockerfile`).split('\n')

    it('copies only files that exist and are in the build context', () => {
      const copied = lines
        .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
        .flatMap((line) => line.split(' ').slice(1, -1))
      assert.ok(copied.length > 8)
      const included = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path = '']) => path)
      for (const path of copied) {
        assert.ok(existsSync(join(root, path)), path)
        assert.ok(
          included.some((entry) => path === entry || path.startsWith(`${entry}/`)),
          path,
        )
      }
    })

    it('sets only variables that the service reads, and runs as an unprivileged user', () => {
      const names = lines
        .filter((line) => line.startsWith('ENV '))
        .flatMap((line) => [...line.matchAll(/([A-Z_]+)=/g)].map(([, name = '']) => name))
      assert.deepEqual(unreadVariables(`${service}-service`, names), [])
      assert.ok(lines.includes('USER 1000:1000'))
    })
  })

type Resource = Readonly<{ kind: string; metadata: { name: string }; spec: ReturnType<typeof JSON.parse> }>

describe('the Kubernetes manifests', () => {
  const kustomization = parse(read('deploy/k8s/kustomization.yml'))
  const resources = filesOf('deploy/k8s', '.yml')
    .flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')))
    .map((document) => document.toJS() as Resource)
  const ofKind = (kind: string) => resources.filter((resource) => resource.kind === kind)
  const deployments = ofKind('Deployment')
  const container = ({ spec }: Resource) => spec.template.spec.containers[0]
  const workloads = [...deployments, ...ofKind('Job')]

  it('are all listed in the kustomization, with their images', () => {
    const files = filesOf('deploy/k8s', '.yml').map((file) => file.split('/').at(-1))
    assert.deepEqual(new Set([...kustomization.resources, 'kustomization.yml']), new Set(files))
    const images = new Set(kustomization.images.map(({ name }: { name: string }) => name))
    for (const workload of workloads) assert.ok(images.has(container(workload).image))
  })

  it('set only variables that the services read, from secrets in the example file', () => {
    const secrets = read('deploy/k8s/secrets.env.example')
    for (const workload of workloads) {
      const { image, env } = container(workload)
      assert.deepEqual(
        unreadVariables(
          image,
          env.map(({ name }: { name: string }) => name),
        ),
        [],
      )
      for (const { valueFrom } of env)
        if (valueFrom !== undefined) assert.match(secrets, new RegExp(`^${valueFrom.secretKeyRef.key}=`, 'm'))
    }
  })

  it('select pods that exist, and ports that these pods have', () => {
    const findWorkload = (labels: Record<string, string>) =>
      workloads.find(({ spec }) => spec.template.metadata.labels.app === labels['app'])
    for (const { metadata, spec } of deployments)
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name)
    assert.equal(ofKind('Service').length, 3)
    for (const { metadata, spec } of ofKind('Service')) {
      const target = findWorkload(spec.selector)
      assert.ok(target, metadata.name)
      const ports = new Set(container(target).ports.map(({ name }: { name: string }) => name))
      for (const { targetPort } of spec.ports) assert.ok(ports.has(targetPort), targetPort)
    }
    for (const { spec } of ofKind('PodDisruptionBudget')) assert.ok(findWorkload(spec.selector.matchLabels))
    for (const { spec } of ofKind('HorizontalPodAutoscaler'))
      assert.ok(deployments.some(({ metadata }) => metadata.name === spec.scaleTargetRef.name))
  })

  it('allow traffic only to ports that the pods have', () => {
    const selectedWorkloads = ({ matchLabels, matchExpressions = [] }: ReturnType<typeof JSON.parse>) =>
      workloads.filter(({ spec }) => {
        const { app } = spec.template.metadata.labels
        return [
          [matchLabels?.app ?? app],
          ...matchExpressions.map(({ values }: { values: string[] }) => values),
        ].every((values) => values.includes(app))
      })
    const assertPortsExist = (pods: readonly Resource[], ports: { port: string | number }[]) => {
      assert.ok(pods.length > 0)
      for (const { port } of ports)
        for (const pod of pods)
          assert.ok(
            container(pod).ports.some((declared: object) => Object.values(declared).includes(port)),
            `${pod.metadata.name}: ${port}`,
          )
    }
    for (const { spec } of ofKind('NetworkPolicy')) {
      for (const { ports } of spec.ingress ?? []) assertPortsExist(selectedWorkloads(spec.podSelector), ports)
      for (const { to = [], ports } of spec.egress ?? [])
        for (const { podSelector } of to)
          if (podSelector !== undefined) assertPortsExist(selectedWorkloads(podSelector), ports)
    }
  })

  it('run no more product service pods than the default connection limit of PostgreSQL allows', () => {
    const scaler = ofKind('HorizontalPodAutoscaler').find(
      ({ metadata }) => metadata.name === 'product-service',
    )
    const deployment = deployments.find(({ metadata }) => metadata.name === 'product-service')
    const maxPods = scaler?.spec.maxReplicas + deployment?.spec.strategy.rollingUpdate.maxSurge
    // Each pod has one more connection for the statistics. PostgreSQL reserves 3 of its 100 connections for superusers,
    // and the migration job needs one.
    const { storage } = readConfig({ STORAGE: 'postgres' })
    assert.ok(storage.kind === 'postgres')
    assert.ok(maxPods * (storage.postgres.poolSize + 1) <= 100 - 3 - 1)
  })

  it('keep a stopping pod serving until its readiness probe fails, and give it time to shut down', () => {
    for (const deployment of deployments) {
      const { spec } = deployment.spec.template
      const env: { name: string; value?: string }[] = container(deployment).env
      const delay = Number(env.find(({ name }) => name === 'SHUTDOWN_DELAY_SECONDS')?.value)
      assert.ok(spec.terminationGracePeriodSeconds > delay + 10)
      const { periodSeconds, failureThreshold } = container(deployment).readinessProbe
      assert.ok(delay > periodSeconds * failureThreshold)
    }
  })

  it('give containers no privileges', () => {
    for (const workload of workloads) {
      assert.deepEqual(container(workload).securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      assert.equal(workload.spec.template.spec.securityContext.runAsNonRoot, true)
    }
  })
})
