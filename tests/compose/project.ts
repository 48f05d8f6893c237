import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '@shop/testing/files.ts'
import { freePort } from '@shop/testing/services/services.ts'

const execute = promisify(execFile)
const timeoutMs = 300_000

type Failure = Readonly<{ stdout?: string; stderr?: string; killed?: boolean }>

/** Runs a program. If it fails or takes longer than five minutes, rejects with an error that has its output. */
const run = async (
  program: string,
  args: readonly string[],
  options: Readonly<{ cwd: string; env?: NodeJS.ProcessEnv }>,
): Promise<string> => {
  try {
    const { stdout } = await execute(program, [...args], {
      ...options,
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
    })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', killed = false } = error as Failure
    const reason = killed ? `did not end in ${timeoutMs / 1_000} s` : 'failed'
    throw new Error(
      `${program} ${args.join(' ')} ${reason}:\n${stdout.slice(-4_000)}${stderr.slice(-4_000)}`,
      {
        cause: error,
      },
    )
  }
}

/** Copies the files of the working tree that Git knows or would add: what a clone has, with changes not yet committed. */
export const copyOfTree = async (folder: string): Promise<void> => {
  const list = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
  const deleted = new Set((await run('git', ['ls-files', '-z', '--deleted'], { cwd: root })).split('\0'))
  for (const path of list.split('\0').filter((name) => name !== '' && !deleted.has(name)))
    await cp(join(root, path), join(folder, path))
}

/** Extracts the last release: the commit that added its section to CHANGELOG.md. Resolves with its version. */
export const lastRelease = async (folder: string): Promise<string> => {
  const changelog = await run('git', ['show', 'HEAD:CHANGELOG.md'], { cwd: root })
  const [, version] = /^## \[(\d+\.\d+\.\d+)\]/m.exec(changelog) ?? []
  if (version === undefined) throw new Error('CHANGELOG.md has no release')
  const log = ['log', '--format=%H', `-S## [${version}]`, '--', 'CHANGELOG.md']
  const commit = (await run('git', log, { cwd: root })).trim().split('\n').at(-1) ?? ''
  if (commit === '') throw new Error(`no commit adds ${version} to CHANGELOG.md: is the clone shallow?`)
  const archive = join(folder, 'release.tar')
  await run('git', ['archive', `--output=${archive}`, commit], { cwd: root })
  await run('tar', ['-xf', archive], { cwd: folder })
  await rm(archive)
  return version
}

const portNames = [
  'PRODUCT_PORT',
  'GRPC_PORT',
  'BASKET_PORT',
  'PRODUCT_OPERATIONS_PORT',
  'BASKET_OPERATIONS_PORT',
  'PRODUCT_BALANCER_PORT',
  'BASKET_BALANCER_PORT',
  'GRPC_BALANCER_PORT',
  'PROMETHEUS_PORT',
] as const

const freePorts = async (): Promise<Record<string, string>> => {
  const ports: Record<string, string> = {}
  for (const name of portNames) ports[name] = String(await freePort())
  return ports
}

/** Builds use the network of the host where only that reaches the packages. */
const overrideFor = (services: readonly string[]): string =>
  JSON.stringify({
    services: Object.fromEntries(services.map((name) => [name, { build: { network: 'host' } }])),
  })

/** Values of the user's shell and .env must not decide what is tested, except which images and which engine. */
const environmentOf = (
  name: string,
  version: string,
  ports: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(([variable]) =>
    /^(PATH|HOME|USER|SHLVL|DOCKER_\w+|\w+_IMAGE|SSL_\w+)$/.test(variable),
  )
  return { ...Object.fromEntries(kept), COMPOSE_PROJECT_NAME: name, VERSION: version, ...ports }
}

const inspected = async (id: string, options: { cwd: string; env: NodeJS.ProcessEnv }) =>
  JSON.parse(await run('docker', ['inspect', id], options))[0]

/** Removes what carries the name of the project. Does not need its files, nor variables for them. */
const removeProject = async (name: string, options: { cwd: string; env: NodeJS.ProcessEnv }) => {
  const label = `label=com.docker.compose.project=${name}`
  for (const [list, remove] of [
    [
      ['ps', '--all'],
      ['rm', '--force', '--volumes'],
    ],
    [
      ['volume', 'ls'],
      ['volume', 'rm'],
    ],
    [
      ['network', 'ls'],
      ['network', 'rm'],
    ],
  ] as const) {
    const found = await run('docker', [...list, '--quiet', '--filter', label], options)
    const ids = found.split('\n').filter((id) => id !== '')
    if (ids.length > 0) await run('docker', [...remove, ...ids], options)
  }
  const images = await run('docker', ['images', '--quiet', `shop/*:${name}*`], options)
  const ids = new Set(images.split('\n').filter((id) => id !== ''))
  if (ids.size > 0) await run('docker', ['rmi', '--force', ...ids], options)
}

/**
 * A Compose project of its own, with free ports, in a folder with the files of the project. Disposing of it removes its
 * containers, volumes, networks, images and folder. `built` are the services with an image of their own. With `other`, its
 * containers and volumes are those of another project, which another version started.
 */
export const composeProject = async (
  name: string,
  fill: (folder: string) => Promise<unknown>,
  built: readonly string[],
  other?: Readonly<{ ports: Readonly<Record<string, string>> }>,
) => {
  const folder = await mkdtemp(join(tmpdir(), `${name}-`))
  await fill(folder)
  const ports = other?.ports ?? (await freePorts())
  const env = environmentOf(name, other === undefined ? name : `${name}-next`, ports)
  if (process.env['TEST_BUILD_NETWORK'] === 'host') {
    await writeFile(join(folder, 'host-network.json'), overrideFor(built))
    env['COMPOSE_FILE'] = 'docker-compose.yml:host-network.json'
  }
  const options = { cwd: folder, env }
  const compose = (...args: readonly string[]) => run('docker', ['compose', ...args], options)
  const idOf = async (service: string) =>
    (await compose('--profile', '*', 'ps', '--all', '--quiet', service)).trim()
  return {
    name,
    folder,
    ports,
    compose,
    exec: (service: string, ...command: readonly string[]) => compose('exec', '-T', service, ...command),
    make: (...args: readonly string[]) => run('make', ['--no-print-directory', ...args], options),
    shell: (script: string) => run('bash', ['-euo', 'pipefail', '-c', script], options),
    docker: (...args: readonly string[]) => run('docker', args, options),
    idOf,
    inspect: async (service: string) => inspected(await idOf(service), options),
    urlOf: (port: (typeof portNames)[number]) => `http://127.0.0.1:${ports[port]}`,
    logs: () =>
      compose('--ansi', 'never', '--profile', '*', 'logs', '--no-color', '--tail', '40').catch(String),
    [Symbol.asyncDispose]: async () => {
      await removeProject(name, options)
      await rm(folder, { recursive: true })
    },
  }
}

export type ComposeProject = Awaited<ReturnType<typeof composeProject>>
