import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from '@shop/testing/files.ts'
import { parse } from 'yaml'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
const version: string = manifest.devDependencies.node
const [major = ''] = version.split('.')

describe('the version of Node.js', () => {
  it('is the same in .node-version and package.json', () => {
    assert.equal(read('.node-version').trim(), version)
  })

  it('has the same major in every image and in @types/node', () => {
    const files = [
      'docker-compose.yml',
      '.devcontainer/Dockerfile',
      '.devcontainer/compose.yml',
      ...['basket', 'product'].map((service) => `dockerfiles/${service}.dockerfile`),
    ]
    for (const file of files) {
      const majors = [...read(file).matchAll(/\bnode:(\d+)-/g)].map(([, one]) => one)
      assert.ok(majors.length > 0, file)
      assert.deepEqual(new Set(majors), new Set([major]), file)
    }
    assert.match(manifest.devDependencies['@types/node'], new RegExp(`^${major}\\.`))
  })

  it('is tested in CI, together with the oldest version that engines allows', () => {
    const { node } = parse(read('.github/workflows/ci.yml')).jobs.check.strategy.matrix
    assert.deepEqual(node, [Number(manifest.engines.node.replace('>=', '')), Number(major)])
  })
})

type LockedPackage = Readonly<{
  version?: string
  hasInstallScript?: boolean
  link?: boolean
  integrity?: string
  resolved?: string
}>

const lockedPackagesOf = (file: string): Readonly<Record<string, LockedPackage>> =>
  JSON.parse(read(file)).packages

const lockedPackages = lockedPackagesOf('package-lock.json')
/** Of a baseline that only `make bench` installs. */
const lockedBaseline = lockedPackagesOf('bench/baselines/nest/package-lock.json')

it('what the images do not have is no production dependency, which the bill of materials lists', () => {
  for (const workspace of ['.', 'bench', 'tests/client', 'scripts/bundle'])
    assert.equal(JSON.parse(read(`${workspace}/package.json`)).dependencies, undefined, workspace)
})

describe('the lock files', () => {
  const fromRegistry = [lockedPackages, lockedBaseline]
    .flatMap((packages) => Object.entries(packages))
    .filter(([path, { link }]) => path.includes('node_modules/') && !link)

  it('have the checksum of every package, also of those for other platforms', () => {
    assert.ok(fromRegistry.length > 500)
    const unchecked = fromRegistry.filter(
      ([, { integrity = '' }]) => !/^sha512-[\w+/]{86}==$/.test(integrity),
    )
    // To add a missing one: delete the package's entry, then run `npm install --package-lock-only`.
    assert.deepEqual(
      unchecked.map(([path]) => path),
      [],
    )
  })

  it('name no registry, because users install from different ones', () => {
    assert.deepEqual(
      fromRegistry.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
      [],
    )
  })

  it('have an exact version for every direct dependency', () => {
    const manifests = ['packages', 'services', 'bench', 'tests'].flatMap((folder) =>
      filesOf(folder, 'package.json'),
    )
    for (const file of [join(root, 'package.json'), ...manifests]) {
      const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'))
      for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies }))
        assert.match(String(range), /^\d+\.\d+\.\d+(?:-[\w.]+)?$/, `${name} in ${file}`)
    }
  })
})

describe('the install scripts of packages', () => {
  it('are allowed or forbidden by name, and those that report to others are forbidden', () => {
    assert.ok(Object.values(lockedBaseline).every(({ hasInstallScript }) => !hasInstallScript))
    const names = Object.entries(lockedPackages)
      .filter(([, { hasInstallScript }]) => hasInstallScript)
      .map(([path]) => path.replace(/^.*node_modules\//, ''))
    assert.deepEqual(Object.keys(manifest.allowScripts).toSorted(), names.toSorted())
    assert.equal(manifest.allowScripts['@scarf/scarf'], false)
    // For versions of npm that ignore `allowScripts`.
    assert.equal(manifest.scarfSettings.enabled, false)
  })
})

describe('the workflows of GitHub', () => {
  type Step = Readonly<{ uses?: string; run?: string; with?: Readonly<Record<string, unknown>> }>
  type Job = Readonly<{ permissions?: object; 'timeout-minutes'?: number; steps: Step[] }>
  const texts = filesOf('.github/workflows', '.yml').map((file) => readFileSync(file, 'utf8'))
  const workflows = texts.map(
    (text) => parse(text) as { on: object; permissions: object; jobs: Record<string, Job> },
  )
  const jobs = workflows.flatMap((workflow) => Object.entries(workflow.jobs))

  it('pin each action by its commit, one for each version, and say which version that is', () => {
    const actions = texts.flatMap((text) =>
      [...text.matchAll(/\buses: (.+)$/gm)].map(([, action = '']) => action),
    )
    assert.equal(actions.length, jobs.flatMap(([, { steps }]) => steps.filter(({ uses }) => uses)).length)
    assert.ok(actions.length >= 6)
    for (const action of actions) assert.match(action, /^[\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
    const names = new Set(actions.map((action) => action.split('@')[0]))
    assert.equal(new Set(actions).size, names.size)
  })

  it('may only read, keep no credentials, and end', () => {
    for (const { on, permissions } of workflows) {
      assert.deepEqual(permissions, { contents: 'read' })
      assert.ok(!('pull_request_target' in on))
    }
    for (const [name, job] of jobs) {
      assert.equal(job.permissions, undefined, name)
      assert.ok((job['timeout-minutes'] ?? 360) <= 60, name)
      const checkouts = job.steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'))
      assert.equal(checkouts.length, 1, name)
      assert.equal(checkouts[0]?.with?.['persist-credentials'], false, name)
    }
  })

  it('verify signatures and look for vulnerabilities, without running install scripts', () => {
    const audit = jobs.find(([name]) => name === 'audit')
    assert.deepEqual(
      audit?.[1].steps.flatMap(({ run }) => run ?? []),
      ['npm ci --ignore-scripts', 'npm audit signatures', 'npm audit --omit=dev --audit-level=high'],
    )
    assert.ok(workflows.some(({ on }) => 'schedule' in on))
  })
})

describe('the version of the release', () => {
  it('is the same in every package, image, manifest and released document', () => {
    const released: string = manifest.version
    const packages = ['packages', 'services', 'bench', 'tests'].flatMap((folder) =>
      filesOf(folder, 'package.json'),
    )
    assert.ok(packages.length > 9)
    for (const file of packages) {
      const { version: own, dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'))
      assert.equal(own, released, file)
      for (const [name, pinned] of Object.entries({ ...dependencies, ...devDependencies }))
        if (name.startsWith('@shop/')) assert.equal(pinned, released, `${name} in ${file}`)
    }
    for (const [file, pattern] of [
      ['dockerfiles/product.dockerfile', /^ARG VERSION=(.+)$/gm],
      ['dockerfiles/basket.dockerfile', /^ARG VERSION=(.+)$/gm],
      ['deploy/k8s/kustomization.yml', /newTag: (.+)$/gm],
      ['api/released/openapi/product.json', /^ {4}"version": "(.+)",?$/gm],
      ['api/released/openapi/basket.json', /^ {4}"version": "(.+)",?$/gm],
    ] as const)
      assert.deepEqual(
        new Set([...read(file).matchAll(pattern)].map(([, one]) => one)),
        new Set([released]),
        file,
      )
    assert.ok(read('CHANGELOG.md').includes(`\n## [${released}] - `))
  })
})

describe('the dev container', () => {
  it('uses the PostgreSQL and Redis images of CI', () => {
    const { postgres, redis } = parse(read('.github/workflows/ci.yml')).jobs.check.services
    const { services } = parse(read('.devcontainer/compose.yml'))
    assert.ok(services.postgres.image.endsWith(`:-${postgres.image}}`))
    assert.ok(services.redis.image.endsWith(`:-${redis.image}}`))
  })

  it('uses a service of its compose file that mounts the workspace folder', () => {
    const { service, workspaceFolder } = JSON.parse(read('.devcontainer/devcontainer.json'))
    const { volumes } = parse(read('.devcontainer/compose.yml')).services[service]
    assert.deepEqual(volumes, [`..:${workspaceFolder}:cached`])
  })
})

describe('launch commands', () => {
  it('of npm scripts run only make targets that exist', () => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
    const manifests = [join(root, 'package.json'), ...filesOf('services', 'package.json')]
    const scripts = manifests.flatMap((file) =>
      Object.values<string>(JSON.parse(readFileSync(file, 'utf8')).scripts ?? {}),
    )
    assert.ok(scripts.length > 8)
    for (const script of scripts) {
      const [, target] = /^make (?:--directory \S+ )?([a-z-]+)/.exec(script) ?? []
      assert.ok(target && targets.has(target), script)
    }
  })

  it('of the debugger name only programs and configurations that exist', () => {
    const { configurations, compounds } = JSON.parse(read('.vscode/launch.json'))
    for (const { name, program, runtimeExecutable } of configurations) {
      assert.ok(program === '${file}' || existsSync(program.replace('${workspaceFolder}', root)), name)
      // Not checked for existence: CI deletes this file to test with an older Node.js.
      assert.equal(runtimeExecutable, '${workspaceFolder}/node_modules/.bin/node')
    }
    const names = new Set(configurations.map(({ name }: { name: string }) => name))
    for (const compound of compounds)
      for (const name of compound.configurations) assert.ok(names.has(name), name)
  })
})
