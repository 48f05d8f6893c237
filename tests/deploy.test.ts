import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdir, mkdtempDisposable, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { secretsIn } from '@shop/platform/config/variables.ts'
import { root } from '@shop/testing/files.ts'
import { documentedUser } from '@shop/testing/stores/redis-user.ts'
import { parse } from 'yaml'
import { basketVariables } from '../services/basket/src/config.ts'
import { productVariables, readConfig as readProductConfig } from '../services/product/src/config.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The variables of the schema, and those that name files with its secrets. */
const namesIn = (schema: typeof productVariables | typeof basketVariables): Set<string> =>
  new Set([...Object.keys(schema.properties), ...secretsIn(schema).map((name) => `${name}_FILE`)])

const variables = {
  'product-service': namesIn(productVariables),
  'basket-service': namesIn(basketVariables),
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
  depends_on?: string[] | Record<string, { condition: string }>
  healthcheck?: { test?: string[]; disable?: boolean }
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

  it('waits for health checks that exist: of the file for the stores, of the image for the services', () => {
    const awaited = containers.flatMap(([, { depends_on = [] }]) =>
      Array.isArray(depends_on)
        ? []
        : Object.keys(depends_on).filter((name) => depends_on[name]?.condition === 'service_healthy'),
    )
    assert.deepEqual(new Set(awaited), new Set(['postgres', 'redis']))
    for (const name of awaited)
      assert.match(String(services[name]?.healthcheck?.test), /pg_isready|PONG/, name)
    for (const [name, { build, restart, healthcheck }] of builtServices) {
      if (restart === undefined) continue
      assert.equal(healthcheck, undefined, name)
      assert.match(
        read(build?.dockerfile ?? ''),
        /^HEALTHCHECK .*\\\n {2}CMD .*\(process\.env\.OPERATIONS_PORT \|\| process\.env\.PORT \|\| 808[01]\) \+ '\/health\/ready/m,
        name,
      )
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

  it('gives both services the currency of one place', () => {
    for (const [name, { restart, environment = {} }] of builtServices)
      assert.equal(environment['CURRENCY'], restart === undefined ? undefined : '${CURRENCY:-EUR}', name)
  })

  it('protects the services by API keys, and mounts their folder, from which they are read again', () => {
    for (const [name, { restart, environment = {}, volumes: mounted }] of builtServices) {
      // The programs for the database serve nobody.
      if (restart === undefined) assert.equal(environment['AUTH'], undefined, name)
      else {
        assert.equal(environment['AUTH'], '${AUTH:-keys}', name)
        assert.deepEqual(mounted, ['./deploy/keys:/run/keys:ro'], name)
        assert.equal(environment['API_KEYS_FILE'], '/run/keys/api-keys', name)
        // The .env of an older version has none: then the lines do not say which user.
        assert.equal(environment['AUDIT_KEY'], '${AUDIT_KEY:-}', name)
      }
    }
    assert.equal(containers.filter(([, container]) => /API_KEY\b/.test(JSON.stringify(container))).length, 0)
    assert.match(read('scripts/env.sh'), /^keys=deploy\/keys\/api-keys$/m)
    assert.match(read('.gitignore'), /^deploy\/keys\/api-keys\*$/m)
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
    assert.match(String(command), /'user default off' "user shop on #\$\$hash ~basket:\* ~rate:\* -@all /)
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

  it('has health and metrics on a port of their own, which Prometheus and HAProxy ask', () => {
    const haproxy = read('deploy/haproxy/haproxy.cfg')
    const prometheus = read('deploy/observability/prometheus.yml')
    for (const [name, { environment = {}, ports = [] }] of Object.entries(services)) {
      const [service] = /^(?:product|basket)-service/.exec(name) ?? []
      if (service === undefined) continue
      const port = environment['OPERATIONS_PORT']
      assert.match(port ?? '', /^\d+$/, name)
      const checked = [
        ...haproxy.matchAll(new RegExp(`server \\w+ ${service}-\\d:\\d+ .*?\\bport (\\d+)`, 'g')),
      ]
      assert.deepEqual(new Set(checked.map(([, number]) => number)), new Set([port]), name)
      assert.match(prometheus, new RegExp(`names: \\[${service}\\], type: A, port: ${port},`), name)
      if (name === service)
        assert.ok(
          ports.some((published) => published.endsWith(`:${port}`)),
          name,
        )
    }
    assert.equal(
      [...haproxy.matchAll(/^ {2}server /gm)].length,
      [...haproxy.matchAll(/\bport 908[01]\b/g)].length,
    )
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
  /** Runs the script in a copy of its folders. Returns the files that it leaves, and their permissions. */
  const run = async (before: string | undefined, environment: Record<string, string> = {}, keys?: string) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'env-'))
    await mkdir(join(folder.path, 'scripts'))
    for (const path of ['scripts/env.sh', '.env.example']) await cp(join(root, path), join(folder.path, path))
    const file = join(folder.path, '.env')
    if (before !== undefined) await writeFile(file, before)
    const keyFile = join(folder.path, 'deploy/keys/api-keys')
    if (keys !== undefined) {
      await mkdir(join(folder.path, 'deploy/keys'), { recursive: true })
      await writeFile(keyFile, keys)
    }
    const script = join(folder.path, 'scripts/env.sh')
    const { status, stdout, stderr } = spawnSync(script, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...environment },
    })
    const modeOf = async (path: string) => (await stat(path)).mode & 0o777
    const text = readFileSync(file, 'utf8')
    if (!existsSync(keyFile))
      return { status, stdout, stderr, text, mode: await modeOf(file), keys: undefined }
    const written = readFileSync(keyFile, 'utf8')
    // As the product service reads it.
    readProductConfig({ AUTH: 'keys', API_KEYS_FILE: keyFile })
    const keyModes = [await modeOf(keyFile), await modeOf(join(folder.path, 'deploy/keys'))]
    return { status, stdout, stderr, text, mode: await modeOf(file), keys: written, keyModes }
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
    assert.deepEqual(new Set(written), new Set([...names, 'AUDIT_KEY', 'SHOP_API_KEY', 'PRODUCT_PORT']))
    assert.equal(written.length, names.length + 3)
    assert.equal(mode, 0o600)
    const again = await run(text)
    assert.deepEqual([again.text, again.mode], [text, 0o600])
  })

  it('writes a random audit key that both services accept, and does not print it', async () => {
    const { text, stdout } = await run(undefined)
    const AUDIT_KEY = valueOf('AUDIT_KEY', text)
    assert.match(AUDIT_KEY, /^[0-9a-f]{64}$/)
    assert.ok(!stdout.includes(AUDIT_KEY))
    const { audit } = readProductConfig({ AUTH: 'jwt', AUDIT_KEY })
    assert.equal(audit?.key, AUDIT_KEY)
  })

  const lineOf = (key: string) => `operator ${hash('sha256', key)} products:write baskets:any stock:hold\n`

  it('writes a random API key that only the owner can read, and its SHA-256 for the services, and prints neither', async () => {
    const { text, stdout, keys, keyModes } = await run(undefined)
    const key = valueOf('SHOP_API_KEY', text)
    assert.match(key, /^shop_[\w-]{43}$/)
    assert.equal(keys, lineOf(key))
    assert.deepEqual(keyModes, [0o644, 0o755])
    assert.ok(!stdout.includes(key))
    assert.notEqual(valueOf('SHOP_API_KEY', (await run(undefined)).text), key)
  })

  it('keeps the file of API keys as it is, so that a revoked key stays revoked', async () => {
    const mine = '# none\n'
    const { text, keys } = await run('SHOP_API_KEY=\n', {}, mine)
    assert.equal(keys, mine)
    assert.equal(valueOf('SHOP_API_KEY', text), '')
  })

  it('writes the SHA-256 of a key that .env or the environment has', async () => {
    const key = `shop_${'a'.repeat(42)}-`
    for (const { text, keys } of [
      await run(`SHOP_API_KEY=${key}\n`),
      await run(undefined, { SHOP_API_KEY: key }),
    ]) {
      assert.equal(keys, lineOf(key))
      assert.ok(['', key].includes(valueOf('SHOP_API_KEY', text)))
    }
  })

  it('refuses a key that the services would refuse, and does not print it', async () => {
    for (const key of [
      '"secret"',
      'shop_secret',
      `secret${'x'.repeat(42)}`,
      `shop_secret${'!'.repeat(37)}`,
    ]) {
      const { status, stdout, stderr, keys } = await run(`SHOP_API_KEY=${key}\n`)
      assert.equal(status, 1)
      assert.match(stderr, /^SHOP_API_KEY must be shop_ and 43 characters/)
      assert.doesNotMatch(stdout + stderr, /secret/)
      assert.equal(keys, undefined)
    }
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
