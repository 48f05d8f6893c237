import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../asserts/eventually.ts'
import { freePort } from '../services/services.ts'
import { unlessReachable } from '../stores/servers.ts'

const startTimeoutMs = 20_000

/** Debian installs the programs in /usr/sbin, which the PATH of a user may lack. */
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }

/** The reason if the program is not installed, otherwise false. */
const without = (program: string, versionOption: string) =>
  unlessReachable(program, () => promisify(execFile)(program, [versionOption], { env: environment }))

/** For a suite's `skip`. */
export const withoutNginx = await without('nginx', '-v')
export const withoutVarnish = await without('varnishd', '-V')
export const withoutHaproxy = await without('haproxy', '-v')

type Program = Readonly<{
  command: string
  arguments: readonly string[]
  folder: AsyncDisposable & Readonly<{ path: string }>
  port: number
}>

/** Starts the program, and resolves once it forwards requests. Disposing of it stops it and removes its folder. */
const start = async ({ command, arguments: options, folder, port }: Program) => {
  const child = spawn(command, options, {
    env: environment,
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    await folder[Symbol.asyncDispose]()
  }
  try {
    await eventually(startTimeoutMs, async () => {
      const { status } = await fetch(`${url}/health/live`, { signal: AbortSignal.timeout(1_000) })
      if (status !== 200) throw new Error(`status ${status}`)
    })
  } catch (cause) {
    await stop()
    throw new Error(`${command} did not start:\n${output}`, { cause })
  }
  return { url, [Symbol.asyncDispose]: stop }
}

const openFolder = (name: string) => mkdtempDisposable(join(tmpdir(), `${name}-`))

/** Starts nginx in front of the target. It compresses JSON, as is usual; `location` has further directives. */
export const startNginx = async (target: string, location: readonly string[] = []) => {
  const folder = await openFolder('nginx')
  const port = await freePort()
  const file = join(folder.path, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder.path}/${name};`,
  )
  const lines = [
    `pid ${folder.path}/nginx.pid; daemon off; master_process off; error_log stderr;`,
    'events {}',
    `http { access_log off; ${temporary.join(' ')}`,
    'gzip on; gzip_proxied any; gzip_types application/json;',
    `server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; ${location.join(' ')} } } }`,
  ]
  await writeFile(file, lines.join('\n'))
  const options = ['-c', file, '-p', folder.path, '-e', 'stderr']
  return start({ command: 'nginx', arguments: options, folder, port })
}

/** Starts Varnish, a shared cache, in front of the target, as it comes: with nothing but the target configured. */
export const startVarnish = async (target: string) => {
  const folder = await openFolder('varnish')
  const port = await freePort()
  const options = ['-F', '-n', folder.path, '-a', `127.0.0.1:${port}`, '-b', new URL(target).host]
  const small = ['-s', 'malloc,16m', '-j', 'none', '-p', 'thread_pool_min=5', '-p', 'thread_pools=1']
  return start({ command: 'varnishd', arguments: [...options, ...small], folder, port })
}

/** Starts HAProxy in front of the target, compressing JSON, and with a cache. */
export const startHaproxy = async (target: string) => {
  const folder = await openFolder('haproxy')
  const port = await freePort()
  const file = join(folder.path, 'haproxy.cfg')
  const lines = [
    'cache shared\n  total-max-size 4\n  max-age 60\n  process-vary on',
    'defaults\n  mode http\n  timeout connect 2s\n  timeout client 20s\n  timeout server 20s',
    `frontend in\n  bind 127.0.0.1:${port}\n  default_backend out`,
    '  filter cache shared\n  filter compression',
    '  http-request cache-use shared\n  http-response cache-store shared',
    '  compression algo gzip\n  compression type application/json',
    `backend out\n  server one ${new URL(target).host}`,
    '',
  ]
  await writeFile(file, lines.join('\n'))
  return start({ command: 'haproxy', arguments: ['-db', '-f', file], folder, port })
}
