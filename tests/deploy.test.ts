import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtempDisposable, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'
import { documentedUser } from '@shop/testing/stores/redis-user.ts'
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

type ComposeService = Readonly<{
  image: string
  user?: string
  command?: string | string[]
  build?: { dockerfile: string; target?: string; args: Record<string, string> }
  environment?: Record<string, string>
  depends_on?: object | string[]
  volumes?: string[]
  ports?: string[]
  stop_grace_period?: string
  networks?: string[] | Record<string, { aliases?: string[] } | null>
  read_only?: boolean
  cap_drop?: string[]
  security_opt?: string[]
  deploy?: { resources: { limits: { memory?: string; pids?: number } } }
  logging?: { options: Record<string, string> }
  restart?: string
  pull_policy?: string
}>
type Compose = Readonly<{
  services: Record<string, ComposeService>
  networks: Record<string, { internal?: boolean }>
  volumes: object
  include: string[]
}>

const readCompose = (path: string) => parse(read(path), { merge: true }) as Compose

/** Variables that only the programs for the database read. */
const adminVariables = new Set(['SEED', 'RESTORE_TARGET'])

describe('docker-compose.yml', () => {
  const { services, networks, volumes, include } = readCompose('docker-compose.yml')
  const builtServices = Object.entries(services).filter(([, { build }]) => build !== undefined)
  const all = { ...services, ...Object.assign({}, ...include.map((path) => readCompose(path).services)) }
  const containers = Object.entries<ComposeService>(all)
  const networksOf = ({ networks: own = ['default'] }: ComposeService): string[] =>
    Array.isArray(own) ? own : Object.keys(own)

  it('sets only variables that the services read, and refers to dockerfiles and stages that exist', () => {
    assert.equal(builtServices.length, 6)
    for (const [name, { build, environment = {} }] of builtServices) {
      const service = name.startsWith('basket') ? 'basket-service' : 'product-service'
      const names = Object.keys(environment).filter((variable) => !adminVariables.has(variable))
      assert.deepEqual(unreadVariables(service, names), [], name)
      const dockerfile = read(build?.dockerfile ?? '')
      if (build?.target !== undefined)
        assert.match(dockerfile, new RegExp(`^FROM .* AS ${build.target}$`, 'm'))
      for (const [argument, value] of Object.entries(build?.args ?? {})) {
        const [, base = ''] = new RegExp(`^ARG ${argument}=(.+)$`, 'm').exec(dockerfile) ?? []
        assert.equal(value, `\${${argument}:-${base}}`)
      }
    }
  })

  it('lets every image be replaced, and takes what is built here from no registry', () => {
    for (const [name, { image, build, pull_policy }] of containers)
      if (build === undefined) assert.match(image, /^\$\{[A-Z]+_IMAGE:-[\w./-]+:[\w.-]+\}$/, name)
      else assert.equal(pull_policy, 'never', name)
  })

  it('gives containers no privileges, a read-only root and limits', () => {
    assert.ok(containers.length >= 13)
    for (const [name, container] of containers) {
      assert.equal(container.read_only, true, name)
      assert.deepEqual(container.cap_drop, ['ALL'], name)
      assert.deepEqual(container.security_opt, ['no-new-privileges:true'], name)
      assert.ok(container.build !== undefined || (container.user ?? 'root') !== 'root', name)
      const { memory, pids } = container.deploy?.resources.limits ?? {}
      assert.match(memory ?? '', /^\d+[MG]$/, name)
      assert.ok(pids !== undefined && pids <= 256, name)
      assert.ok(container.logging?.options['max-size'], name)
      for (const key of ['cap_add', 'privileged', 'network_mode', 'pid', 'ipc', 'devices', 'pids_limit'])
        assert.ok(!(key in container), `${name} ${key}`)
    }
  })

  it('publishes ports on loopback only, each of which can be changed', () => {
    const ports = containers.flatMap(([, { ports: published = [] }]) => published)
    assert.ok(ports.length >= 9)
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\$\{[A-Z_]+_PORT:-\d+\}:\d+$/)
  })

  it('lets only the services and the programs for a store reach it, and the stores nothing else', () => {
    const on = (network: string) =>
      containers.filter(([, container]) => networksOf(container).includes(network)).map(([name]) => name)
    assert.deepEqual(networks, { postgres: { internal: true }, redis: { internal: true } })
    const products = ['product-service', 'product-service-2']
    assert.deepEqual(new Set(on('postgres')), new Set(['postgres', 'roles', 'migrate', 'admin', ...products]))
    assert.deepEqual(new Set(on('redis')), new Set(['redis', 'basket-service', 'basket-service-2']))
    for (const name of ['postgres', 'roles', 'migrate', 'admin', 'redis'])
      assert.equal(networksOf(all[name]).length, 1, name)
  })

  it('has no password of its own: each must be set, and the message says how', () => {
    const passwords = containers.flatMap(([, { environment = {} }]) =>
      Object.entries(environment).filter(([name]) => /PASSWORD/.test(name)),
    )
    assert.ok(passwords.length >= 8)
    const names = passwords.map(([, value]) => /^\$\{(\w+):\?run "make env", .+\}$/.exec(value)?.[1] ?? value)
    const written = [...read('.env.example').matchAll(/^(\w+PASSWORD)=$/gm)].map(([, name = '']) => name)
    assert.deepEqual(new Set(names), new Set(written))
  })

  it('gives each program the role in PostgreSQL that it needs', () => {
    const userOf = (name: string) => services[name]?.environment?.['DB_USER']
    const password = (name: string) => services[name]?.environment?.['DB_PASSWORD'] ?? ''
    assert.deepEqual(['product-service', 'product-service-2', 'migrate'].map(userOf), [
      'shop',
      'shop',
      'shop_owner',
    ])
    assert.match(password('product-service'), /^\$\{DB_SERVICE_PASSWORD:/)
    assert.match(password('migrate'), /^\$\{DB_OWNER_PASSWORD:/)
    assert.equal(services['product-service']?.environment?.['MIGRATE'], 'off')
  })

  it('gives the basket service the rights in Redis that docs/redis.md lists, and the default user none', () => {
    const { environment = {}, command = [] } = services['redis'] ?? {}
    assert.deepEqual(
      environment['REDIS_COMMANDS']?.trim().split(' '),
      documentedUser().commands.map((name) => `+${name}`),
    )
    assert.match(String(command), /'user default off' "user shop on #\$\$hash ~basket:\* -@all /)
    assert.equal(services['basket-service']?.environment?.['REDIS_USERNAME'], 'shop')
  })

  it('starts the stores with the settings that docs/durability.md names', () => {
    assert.match(String(services['redis']?.command), / --appendonly yes --appendfsync everysec /)
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
    for (const file of include) assert.ok(existsSync(join(root, file)), file)
  })

  it('has exactly one instance, which exposes the right port, for each server in haproxy.cfg', () => {
    const hostNamesOf = ([name, { networks: own = {} }]: [string, ComposeService]) => [
      name,
      ...(Array.isArray(own) ? [] : (own['default']?.aliases ?? [])),
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
    const longRunning = builtServices.filter(([, { restart }]) => restart !== undefined)
    assert.equal(longRunning.length, 4)
    for (const [, { stop_grace_period: period = '' }] of longRunning)
      assert.ok(Number.parseInt(period, 10) > 5 + 10)
  })
})

describe('scripts/env.sh', () => {
  /** Runs the script in a copy of its folders. Returns the file that it leaves, and its permissions. */
  const run = async (before: string | undefined, environment: Record<string, string> = {}) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'env-'))
    await mkdir(join(folder.path, 'scripts'))
    for (const path of ['scripts/env.sh', '.env.example']) await cp(join(root, path), join(folder.path, path))
    const file = join(folder.path, '.env')
    if (before !== undefined) await writeFile(file, before)
    const script = join(folder.path, 'scripts/env.sh')
    const { status, stdout, stderr } = spawnSync(script, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...environment },
    })
    assert.equal(status, 0, stderr)
    const text = readFileSync(file, 'utf8')
    return { text, stdout, mode: (await stat(file)).mode & 0o777 }
  }
  const names = ['DB_PASSWORD', 'DB_OWNER_PASSWORD', 'DB_SERVICE_PASSWORD', 'REDIS_PASSWORD']
  const valueOf = (name: string, text: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(text)?.[1] ?? ''

  it('writes random passwords into a file that only its owner can read, and prints none of them', async () => {
    const { text, stdout, mode } = await run(undefined)
    const values = names.map((name) => valueOf(name, text))
    for (const value of values) {
      assert.match(value, /^[0-9a-f]{48}$/)
      assert.ok(!stdout.includes(value))
    }
    assert.equal(new Set(values).size, names.length)
    assert.equal(mode, 0o600)
    assert.notEqual(valueOf('DB_PASSWORD', (await run(undefined)).text), values[0])
  })

  it('keeps what the file of an older version has, and adds what it lacks', async () => {
    const { text, mode } = await run('# mine\nDB_PASSWORD=secret\nPRODUCT_PORT=9000')
    assert.ok(text.startsWith('# mine\nDB_PASSWORD=secret\nPRODUCT_PORT=9000\n'), text)
    const written = [...text.matchAll(/^(\w+)=/gm)].map(([, name]) => name)
    assert.deepEqual(written.toSorted(), [...names, 'PRODUCT_PORT'].toSorted())
    assert.equal(mode, 0o600)
    assert.equal((await run(text)).text, text)
  })

  it('writes no password that the environment has, because that one counts', async () => {
    const { text } = await run(undefined, { DB_PASSWORD: 'of the environment' })
    assert.equal(valueOf('DB_PASSWORD', text), '')
    assert.notEqual(valueOf('REDIS_PASSWORD', text), '')
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
