import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from '@shop/testing/files.ts'
import { parse } from 'yaml'
import { basketVariables } from '../../services/basket/src/config.ts'
import { productVariables, readConfig } from '../../services/product/src/config.ts'
import {
  type Container,
  container,
  containers,
  deployments,
  exampleUrl,
  files,
  folder,
  initContainers,
  kustomization,
  ofKind,
  type Resource,
  read,
  resources,
} from './manifests.ts'

const variables: Readonly<Record<string, object>> = {
  'product-service': productVariables.properties,
  'basket-service': basketVariables.properties,
}

const findDeployment = (labels: Readonly<Record<string, string>>): Resource | undefined =>
  deployments.find(({ spec }) => spec.template.metadata.labels.app === labels['app'])

const portNames = (deployment: Resource): ReadonlySet<string> =>
  new Set(container(deployment).ports?.map(({ name }) => name))

const secretsOf = ({ env }: Container): string[] =>
  env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? [])

describe('the kustomization', () => {
  it('lists every file and image, and every component is one', () => {
    const listed = new Set<string>([...kustomization.resources, 'kustomization.yml'])
    const components = files.filter((file) => file.startsWith('components/'))
    assert.deepEqual(listed, new Set(files).difference(new Set(components)))
    const names = new Set(components.map((file) => file.split('/')[1] ?? ''))
    assert.deepEqual(names, new Set(['ingress', 'pod-monitor', 'tls']))
    for (const name of names) {
      const component = parse(read(`components/${name}/kustomization.yml`))
      assert.equal(component.kind, 'Component')
      assert.deepEqual(
        new Set([...component.resources, 'kustomization.yml'].map((file) => `components/${name}/${file}`)),
        new Set(components.filter((file) => file.startsWith(`components/${name}/`))),
      )
      // As the comment in the kustomization offers it.
      assert.match(read('kustomization.yml'), new RegExp(`^# {3}- components/${name}$`, 'm'))
    }
    const images = new Set(kustomization.images.map(({ name }: { name: string }) => name))
    for (const { image } of containers) assert.ok(images.has(image), image)
  })

  it('applies only what can be applied again: a Job, for example, cannot be changed', () => {
    const kinds = new Set(resources.map(({ kind }) => kind))
    assert.deepEqual(
      kinds,
      new Set([
        'Namespace',
        'ResourceQuota',
        'LimitRange',
        'Deployment',
        'Service',
        'HorizontalPodAutoscaler',
        'PodDisruptionBudget',
        'NetworkPolicy',
        'Ingress',
        'PodMonitor',
        'Certificate',
      ]),
    )
    // A number of replicas would undo what the autoscaler has done.
    for (const { spec } of deployments) assert.equal(spec.replicas, undefined)
  })

  it('gives each container its own secrets, with the keys of their example files, which git ignores', () => {
    const generated = new Map<string, string>(
      kustomization.secretGenerator.map(({ name, envs = [] }: { name: string; envs?: string[] }) => [
        name,
        envs[0],
      ]),
    )
    assert.deepEqual(
      containers.map((each) => [each.name, ...secretsOf(each)]),
      [
        ['basket-service', 'audit', 'basket-service'],
        ['migrate', 'product-migration'],
        ['product-service', 'audit', 'product-service'],
      ],
    )
    assert.equal(generated.size, 5)
    for (const { env } of containers)
      for (const { name, valueFrom } of env) {
        const secret = valueFrom?.secretKeyRef
        if (secret === undefined) continue
        const example = read(`${generated.get(secret.name)}.example`)
        const keys = [...example.matchAll(/^([A-Z_]+)=/gm)].map(([, key]) => key)
        assert.deepEqual(keys, [secret.key], name)
        assert.equal(name, secret.key)
      }
    const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n')
    for (const name of ['*.env', 'api-keys']) assert.ok(ignored.includes(`${folder}/secrets/${name}`), name)
  })

  it('gives both services the currency of one place', () => {
    assert.deepEqual(kustomization.configMapGenerator, [{ name: 'shop', literals: ['CURRENCY=EUR'] }])
    for (const { name, env } of deployments.map(container))
      assert.deepEqual(
        env.find((variable) => variable.name === 'CURRENCY')?.valueFrom,
        { configMapKeyRef: { name: 'shop', key: 'CURRENCY' } },
        name,
      )
  })

  it('migrates as the owner and serves as another role, both of which roles.sql creates', () => {
    const roles = readFileSync(join(root, 'deploy/postgres/roles.sql'), 'utf8')
    const [owner, service] = ['product-migration', 'product-service'].map((name) => exampleUrl(name).username)
    assert.match(roles, new RegExp(`^alter database .* owner to ${owner};$`, 'm'))
    assert.match(roles, new RegExp(`^grant connect on database .* to ${service};$`, 'm'))
    assert.notEqual(owner, service)
    const migrating = deployments.filter((deployment) => initContainers(deployment).length > 0)
    assert.deepEqual(
      migrating.map(({ metadata }) => metadata.name),
      ['product-service'],
    )
    const [migrate] = migrating.flatMap(initContainers)
    assert.ok(existsSync(join(root, migrate?.args?.[1] ?? '')), String(migrate?.args))
    const env = migrating.flatMap((deployment) => container(deployment).env)
    assert.equal(env.find(({ name }) => name === 'MIGRATE')?.value, 'off')
  })
})

describe('the Kubernetes manifests', () => {
  it('set only variables that the services read', () => {
    for (const { name, image, env } of containers)
      for (const variable of env)
        assert.ok(variable.name in (variables[image] ?? {}), `${name} ${variable.name}`)
  })

  it('select pods that exist, and ports that these pods have', () => {
    for (const { metadata, spec } of deployments) {
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels, metadata.name)
      for (const { labelSelector } of spec.template.spec.topologySpreadConstraints)
        assert.deepEqual(labelSelector, spec.selector)
    }
    assert.equal(ofKind('Service').length, 3)
    // Health and metrics are for the kubelet and Prometheus, who know the pods.
    assert.doesNotMatch(JSON.stringify(ofKind('Service')), /operations/)
    for (const { metadata, spec } of ofKind('Service')) {
      const target = findDeployment(spec.selector)
      assert.ok(target, metadata.name)
      for (const { targetPort } of spec.ports) assert.ok(portNames(target).has(targetPort), targetPort)
    }
    for (const { spec } of ofKind('PodDisruptionBudget')) assert.ok(findDeployment(spec.selector.matchLabels))
    for (const { spec } of ofKind('HorizontalPodAutoscaler'))
      assert.ok(deployments.some(({ metadata }) => metadata.name === spec.scaleTargetRef.name))
    for (const deployment of deployments) {
      const { startupProbe, livenessProbe, readinessProbe } = container(deployment)
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
        assert.equal(httpGet.port, 'operations')
      const { annotations } = deployment.spec.template.metadata
      const scraped = container(deployment).ports?.find(
        ({ containerPort }) => String(containerPort) === annotations['prometheus.io/port'],
      )
      assert.equal(scraped?.name, 'operations')
      const operationsPort = container(deployment).env.find(({ name }) => name === 'OPERATIONS_PORT')?.value
      assert.equal(operationsPort, String(scraped?.containerPort))
    }
  })

  it('protect both services with the API keys of one secret, which is mounted as a file', () => {
    for (const deployment of deployments) {
      const { env, volumeMounts = [] } = container(deployment)
      const valueOf = (variable: string) => env.find(({ name }) => name === variable)?.value
      assert.equal(valueOf('AUTH'), 'keys', deployment.metadata.name)
      const [mount, ...others] = volumeMounts
      assert.equal(others.length, 0)
      assert.equal(mount?.readOnly, true)
      const { volumes } = deployment.spec.template.spec
      assert.deepEqual(volumes, [{ name: mount.name, secret: { secretName: 'api-keys' } }])
      const {
        files: [file],
      } = kustomization.secretGenerator.find(({ name }: { name: string }) => name === 'api-keys')
      assert.equal(valueOf('API_KEYS_FILE'), `${mount.mountPath}/${basename(file)}`)
      // The example can be used as it is: it has no key.
      const example = join(root, folder, `${file}.example`)
      assert.doesNotThrow(() => readConfig({ AUTH: 'keys', API_KEYS_FILE: example }))
      for (const init of initContainers(deployment)) assert.equal(init.volumeMounts, undefined, init.name)
    }
  })

  it('lead requests to the paths of the API, and to no others', () => {
    const [ingress, ...others] = ofKind('Ingress')
    assert.equal(others.length, 0)
    const [{ http, host }] = ingress?.spec.rules ?? []
    assert.deepEqual(ingress?.spec.tls[0].hosts, [host])
    const targets = http.paths.map(
      ({ path, pathType, backend }: ReturnType<typeof JSON.parse>) =>
        `${pathType} ${path} → ${backend.service.name} ${backend.service.port.name}`,
    )
    assert.deepEqual(targets, [
      'Prefix /products → product-service http',
      'Prefix /baskets → basket-service http',
    ])
    for (const { backend } of http.paths) {
      const service = ofKind('Service').find(({ metadata }) => metadata.name === backend.service.name)
      assert.ok(service?.spec.ports.some(({ name }: { name: string }) => name === backend.service.port.name))
    }
  })

  it('are scraped with the labels of deploy/observability/prometheus.yml', () => {
    const [monitor] = ofKind('PodMonitor')
    const [endpoint, ...others] = monitor?.spec.podMetricsEndpoints ?? []
    assert.equal(others.length, 0)
    assert.deepEqual(Object.keys(endpoint).toSorted(), [
      'honorLabels',
      'interval',
      'path',
      'port',
      'relabelings',
      'scrapeTimeout',
    ])
    const [{ key, operator, values }] = monitor?.spec.selector.matchExpressions ?? []
    assert.deepEqual([key, operator], ['app', 'In'])
    assert.deepEqual(
      new Set(values),
      new Set(deployments.map(({ spec }) => spec.template.metadata.labels.app)),
    )
    for (const deployment of deployments) assert.ok(portNames(deployment).has(endpoint.port))
    assert.equal(endpoint.port, 'operations')
    const [job] = parse(
      readFileSync(join(root, 'deploy/observability/prometheus.yml'), 'utf8'),
    ).scrape_configs
    assert.equal(endpoint.honorLabels, job.honor_labels)
    assert.deepEqual(endpoint.relabelings, [
      { targetLabel: 'job', replacement: job.job_name },
      { sourceLabels: ['__meta_kubernetes_pod_label_app'], targetLabel: job.relabel_configs[0].target_label },
    ])
  })

  it('keep a stopping pod serving until its readiness probe fails, and give it time to shut down', () => {
    for (const deployment of deployments) {
      const { spec } = deployment.spec.template
      const delay = Number(
        container(deployment).env.find(({ name }) => name === 'SHUTDOWN_DELAY_SECONDS')?.value,
      )
      assert.ok(spec.terminationGracePeriodSeconds > delay + 10)
      const { periodSeconds, failureThreshold } = container(deployment).readinessProbe
      assert.ok(delay > periodSeconds * failureThreshold)
    }
  })

  it('give containers no privileges', () => {
    for (const { securityContext } of containers)
      assert.deepEqual(securityContext, {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
    for (const { spec } of deployments) {
      const pod = spec.template.spec
      assert.deepEqual(pod.securityContext, {
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
      })
      assert.equal(pod.automountServiceAccountToken, false)
      assert.equal(pod.enableServiceLinks, false)
      for (const name of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace'])
        assert.equal(pod[name], undefined, name)
    }
  })
})

/** A quantity of Kubernetes as a number: cores, or MiB. */
const amountOf = (quantity: string): number => {
  const [, number, unit = ''] = /^(\d+)(m|Mi|Gi)?$/.exec(quantity) ?? []
  return Number(number) * ({ m: 0.001, Gi: 1_024 }[unit] ?? 1)
}

describe('the limits of the namespace', () => {
  /** The most pods of each Deployment: those of its autoscaler, and one more during an upgrade. */
  const mostPods = new Map(
    deployments.map((deployment) => {
      const scaler = ofKind('HorizontalPodAutoscaler').find(
        ({ spec }) => spec.scaleTargetRef.name === deployment.metadata.name,
      )
      return [deployment, scaler?.spec.maxReplicas + deployment.spec.strategy.rollingUpdate.maxSurge] as const
    }),
  )

  it('have room for the most pods of both autoscalers, during an upgrade', () => {
    const { hard } = ofKind('ResourceQuota')[0]?.spec ?? {}
    const used: Record<string, number> = { pods: 0 }
    for (const [deployment, count] of mostPods) {
      used['pods'] = (used['pods'] ?? 0) + count
      for (const kind of ['requests', 'limits'] as const)
        for (const resource of ['cpu', 'memory'] as const) {
          const own = amountOf(container(deployment).resources[kind][resource])
          // An init container ends before the others start, so that the pod needs the larger of both.
          const most = Math.max(
            own,
            ...initContainers(deployment).map(({ resources: init }) => amountOf(init[kind][resource])),
          )
          used[`${kind}.${resource}`] = (used[`${kind}.${resource}`] ?? 0) + count * most
        }
    }
    assert.equal(used['pods'], 29)
    for (const [name, amount] of Object.entries(used)) {
      const limit = amountOf(hard[name])
      assert.ok(amount <= limit && limit < amount * 1.2, `${name}: ${amount} of ${limit}`)
    }
  })

  it('do not refuse any container', () => {
    const [{ type, max }] = ofKind('LimitRange')[0]?.spec.limits ?? []
    assert.equal(type, 'Container')
    for (const { name, resources: own } of containers)
      for (const resource of ['cpu', 'memory'] as const)
        assert.ok(amountOf(own.limits[resource]) <= amountOf(max[resource]), name)
  })

  it('keep the product service within the default connection limit of PostgreSQL', () => {
    const [, most = 0] = [...mostPods].find(([{ metadata }]) => metadata.name === 'product-service') ?? []
    // Each pod has one more connection for the statistics; one that still migrates has two. PostgreSQL reserves 3 of its 100
    // connections for superusers.
    const { storage } = readConfig({ STORAGE: 'postgres' })
    assert.ok(storage.kind === 'postgres')
    assert.ok(most * (storage.postgres.poolSize + 1) <= 100 - 3)
  })
})
