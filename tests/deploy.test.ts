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

/** Those of the names that the service would not read. */
const unread = (service: Service, names: readonly string[]): string[] =>
  names.filter((name) => !name.startsWith('NODE_') && !variables[service].has(name))

type Compose = Readonly<{
  services: Record<
    string,
    {
      image: string
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
  const ours = Object.entries(services).filter(([, { build }]) => build !== undefined)

  it('sets only what the services read, and builds them from files that there are', () => {
    assert.equal(ours.length, 4)
    for (const [name, { build, environment = {} }] of ours) {
      const service = name.replace(/-2$/, '') as Service
      assert.deepEqual(unread(service, Object.keys(environment)), [])
      assert.ok(existsSync(join(root, build?.dockerfile ?? '')))
    }
  })

  it('names only services, volumes and files that there are', () => {
    for (const { depends_on = [], volumes: mounted = [] } of Object.values(services)) {
      const named = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on)
      for (const name of named) assert.ok(name in services, name)
      for (const mount of mounted) {
        const [source = ''] = mount.split(':')
        assert.ok(source.startsWith('./') ? existsSync(join(root, source)) : source in volumes, source)
      }
    }
    const { include } = parse(read('docker-compose.yml')) as { include: string[] }
    for (const file of include) assert.ok(existsSync(join(root, file)), file)
  })

  it('has one instance, and a port of it, for each server of the balancer', () => {
    const namesOf = ([name, { networks }]: [string, Compose['services'][string]]) => [
      name,
      ...(networks?.default.aliases ?? []),
    ]
    const servers = [...read('deploy/haproxy/haproxy.cfg').matchAll(/^ {2}server \w+ ([\w-]+):(\d+)/gm)]
    assert.equal(servers.length, 6)
    for (const [, host = '', port] of servers) {
      const instances = ours.filter((one) => namesOf(one).includes(host))
      assert.equal(instances.length, 1, host)
      const dockerfile = read(instances[0]?.[1].build?.dockerfile ?? '')
      assert.match(dockerfile, new RegExp(`^EXPOSE .*\\b${port}\\b`, 'm'), host)
    }
  })

  it('leaves a service the time that it takes to stop', () => {
    for (const [, { stop_grace_period: period = '' }] of ours) assert.ok(Number.parseInt(period, 10) > 5 + 10)
  })
})

describe('the dockerfiles', () => {
  for (const service of ['product', 'basket'] as const) {
    const lines = read(`dockerfiles/${service}.dockerfile`).split('\n')

    it(`of the ${service} service copy only what there is, and what gets into the context`, () => {
      const copied = lines
        .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
        .flatMap((line) => line.split(' ').slice(1, -1))
      assert.ok(copied.length > 8)
      const admitted = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map(([, path = '']) => path)
      for (const path of copied) {
        assert.ok(existsSync(join(root, path)), path)
        assert.ok(
          admitted.some((one) => path === one || path.startsWith(`${one}/`)),
          path,
        )
      }
    })

    it(`of the ${service} service sets only what it reads, and runs as somebody without rights`, () => {
      const set = lines
        .filter((line) => line.startsWith('ENV '))
        .flatMap((line) => [...line.matchAll(/([A-Z_]+)=/g)].map(([, name = '']) => name))
      assert.deepEqual(unread(`${service}-service`, set), [])
      assert.ok(lines.includes('USER 1000:1000'))
    })
  }
})

type Resource = Readonly<{ kind: string; metadata: { name: string }; spec: ReturnType<typeof JSON.parse> }>

describe('the manifests of Kubernetes', () => {
  const kustomization = parse(read('deploy/k8s/kustomization.yml'))
  const resources = filesOf('deploy/k8s', '.yml')
    .flatMap((file) => parseAllDocuments(readFileSync(file, 'utf8')))
    .map((document) => document.toJS() as Resource)
  const of = (kind: string) => resources.filter((resource) => resource.kind === kind)
  const deployments = of('Deployment')
  const container = ({ spec }: Resource) => spec.template.spec.containers[0]
  const runs = [...deployments, ...of('Job')]

  it('are all named in the kustomization, with their images', () => {
    const files = filesOf('deploy/k8s', '.yml').map((file) => file.split('/').at(-1))
    assert.deepEqual(new Set([...kustomization.resources, 'kustomization.yml']), new Set(files))
    const images = new Set(kustomization.images.map(({ name }: { name: string }) => name))
    for (const one of runs) assert.ok(images.has(container(one).image))
  })

  it('set only what the services read, from secrets that the example has', () => {
    const secrets = read('deploy/k8s/secrets.env.example')
    for (const one of runs) {
      const { image, env } = container(one)
      assert.deepEqual(
        unread(
          image,
          env.map(({ name }: { name: string }) => name),
        ),
        [],
      )
      for (const { valueFrom } of env)
        if (valueFrom !== undefined) assert.match(secrets, new RegExp(`^${valueFrom.secretKeyRef.key}=`, 'm'))
    }
  })

  it('select pods that there are, and ports that these have', () => {
    const labelled = (labels: Record<string, string>) =>
      runs.find(({ spec }) => spec.template.metadata.labels.app === labels['app'])
    for (const { metadata, spec } of deployments)
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name)
    assert.equal(of('Service').length, 3)
    for (const { metadata, spec } of of('Service')) {
      const target = labelled(spec.selector)
      assert.ok(target, metadata.name)
      const ports = new Set(container(target).ports.map(({ name }: { name: string }) => name))
      for (const { targetPort } of spec.ports) assert.ok(ports.has(targetPort), targetPort)
    }
    for (const { spec } of of('PodDisruptionBudget')) assert.ok(labelled(spec.selector.matchLabels))
    for (const { spec } of of('HorizontalPodAutoscaler'))
      assert.ok(deployments.some(({ metadata }) => metadata.name === spec.scaleTargetRef.name))
  })

  it('let through only to ports that the pods have', () => {
    const selected = ({ matchLabels, matchExpressions = [] }: ReturnType<typeof JSON.parse>) =>
      runs.filter(({ spec }) => {
        const { app } = spec.template.metadata.labels
        return [
          [matchLabels?.app ?? app],
          ...matchExpressions.map(({ values }: { values: string[] }) => values),
        ].every((values) => values.includes(app))
      })
    const assertOpen = (pods: readonly Resource[], ports: { port: string | number }[]) => {
      assert.ok(pods.length > 0)
      for (const { port } of ports)
        for (const pod of pods)
          assert.ok(
            container(pod).ports.some((open: object) => Object.values(open).includes(port)),
            `${pod.metadata.name}: ${port}`,
          )
    }
    for (const { spec } of of('NetworkPolicy')) {
      for (const { ports } of spec.ingress ?? []) assertOpen(selected(spec.podSelector), ports)
      for (const { to = [], ports } of spec.egress ?? [])
        for (const { podSelector } of to)
          if (podSelector !== undefined) assertOpen(selected(podSelector), ports)
    }
  })

  it('open no more connections than PostgreSQL takes of itself', () => {
    const scaler = of('HorizontalPodAutoscaler').find(({ metadata }) => metadata.name === 'product-service')
    const deployment = deployments.find(({ metadata }) => metadata.name === 'product-service')
    const most = scaler?.spec.maxReplicas + deployment?.spec.strategy.rollingUpdate.maxSurge
    // One more is for the figures. Three of the hundred are kept for superusers; one is the job's.
    const { storage } = readConfig({ STORAGE: 'postgres' })
    assert.ok(storage.kind === 'postgres')
    assert.ok(most * (storage.postgres.poolSize + 1) <= 100 - 3 - 1)
  })

  it('leave a pod the time that it takes to stop, longer than balancers take to notice', () => {
    for (const one of deployments) {
      const { spec } = one.spec.template
      const env: { name: string; value?: string }[] = container(one).env
      const delay = Number(env.find(({ name }) => name === 'SHUTDOWN_DELAY_SECONDS')?.value)
      assert.ok(spec.terminationGracePeriodSeconds > delay + 10)
      const { periodSeconds, failureThreshold } = container(one).readinessProbe
      assert.ok(delay > periodSeconds * failureThreshold)
    }
  })

  it('give no container rights that it does not need', () => {
    for (const one of runs) {
      assert.deepEqual(container(one).securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      assert.equal(one.spec.template.spec.securityContext.runAsNonRoot, true)
    }
  })
})
