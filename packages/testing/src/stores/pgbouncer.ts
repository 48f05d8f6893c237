import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { eventually } from '../asserts/eventually.ts'
import { freePort } from '../services/services.ts'
import { postgresUser } from './postgres-user.ts'
import { unlessReachable } from './servers.ts'

/** Debian installs the program in /usr/sbin, which the PATH of a user may lack. */
const environment = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }

/** For a suite's `skip`: the reason if PgBouncer is not installed, otherwise false. */
export const withoutPgBouncer = await unlessReachable('pgbouncer', () =>
  promisify(execFile)('pgbouncer', ['--version'], { env: environment }),
)

const startTimeoutMs = 20_000

type Options = Readonly<{
  /** The URL of a database. All connections to the server have its user. */
  target: string
  /** Settings of the section `pgbouncer`, which take precedence over the defaults below. */
  settings?: Readonly<Record<string, string | number>>
}>

const configurationOf = ({ target, settings }: Options, folder: string, port: number): string => {
  const { hostname, port: serverPort, username, password } = new URL(target)
  const server = [
    `host=${hostname}`,
    `port=${serverPort || 5_432}`,
    `user=${username}`,
    ...(password === '' ? [] : [`password=${password}`]),
  ]
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: folder,
    pidfile: join(folder, 'pgbouncer.pid'),
    // Without passwords.
    auth_type: 'any',
    admin_users: username,
    pool_mode: 'transaction',
    default_pool_size: 3,
    // The pause after a failed connection to the server. The default is 15 s.
    server_login_retry: 1,
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  return ['[databases]', `* = ${server.join(' ')}`, '[pgbouncer]', ...lines, ''].join('\n')
}

const openConsole = async (url: string): Promise<Client> => {
  const client = new Client({
    connectionString: Object.assign(new URL(url), { pathname: '/pgbouncer' }).href,
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Starts PgBouncer in transaction mode in front of a server, with at most three connections to each of its databases. */
export const startPgBouncer = async (options: Options) => {
  const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const { uid, gid } = postgresUser()
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  const port = await freePort()
  writeFileSync(file, configurationOf(options, folder, port))
  const url = Object.assign(new URL(options.target), { hostname: '127.0.0.1', port }).href
  let server: ReturnType<typeof spawn> | undefined

  /** Runs a command of the admin console, such as PAUSE. */
  const command = async (text: string): Promise<Record<string, unknown>[]> => {
    const client = await openConsole(url)
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }
  const start = async () => {
    server = spawn('pgbouncer', [file], {
      ...postgresUser(),
      cwd: folder,
      env: environment,
      stdio: 'ignore',
    })
    await eventually(startTimeoutMs, () => command('show version'))
  }
  const kill = async () => {
    if (server === undefined) return
    const exited = once(server, 'exit')
    server.kill('SIGKILL')
    await exited
    server = undefined
    // The pid file of a killed process keeps the next one from starting if its number is in use again.
    rmSync(join(folder, 'pgbouncer.pid'), { force: true })
  }
  await start()
  return {
    url,
    command,
    start,
    kill,
    /** Suspends the process: its connections stay open, but it forwards nothing. */
    suspend: () => assert.ok(server?.kill('SIGSTOP')),
    resume: () => assert.ok(server?.kill('SIGCONT')),
    [Symbol.asyncDispose]: async () => {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
