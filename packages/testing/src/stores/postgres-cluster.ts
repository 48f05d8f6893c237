import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { makeCertificate } from '../services/certificate.ts'
import { freePort } from '../services/services.ts'
import { query } from './postgres.ts'
import { postgresUser } from './postgres-user.ts'
import { unlessReachable } from './servers.ts'

const binFolders = globSync('/usr/{lib/postgresql/*,local,pgsql-*}/bin/pg_basebackup')
  .map((path) => dirname(path))
  .toSorted()
const binFolder = binFolders.at(-1)

/** For a suite's `skip`: the reason if PostgreSQL's server programs are not installed, otherwise false. */
export const withoutPostgresPrograms = await unlessReachable('initdb, postgres and pg_basebackup', async () =>
  assert.ok(binFolder),
)

const runProgram = (name: string, args: readonly string[]) =>
  promisify(execFile)(name, args, {
    ...postgresUser(),
    cwd: tmpdir(),
    env: { PATH: `${binFolder}:${process.env['PATH']}` },
  })

export type PostgresServer = AsyncDisposable &
  Readonly<{
    port: number
    url: string
    certificate: string
    start: () => Promise<void>
    stop: () => Promise<void>
    /** Stops the server's processes without closing its connections, until `resume`. */
    hang: () => void
    resume: () => void
    /** Makes a replica a primary. Resolves when it accepts writes. */
    promote: () => Promise<void>
  }>

/** Sends the signal. A process may have exited by itself. */
const signalOne = (pid: number, signal: NodeJS.Signals) => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Sends the signal to the server's processes, first to the one that starts the others. */
const signalAll = (pid: number, signal: NodeJS.Signals) => {
  signalOne(pid, signal)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  for (const child of children.filter(Boolean)) signalOne(Number(child), signal)
}

const waitUntilReady = async (url: string): Promise<void> => {
  for (let tries = 0; ; tries++) {
    const client = new Client({ connectionString: url })
    try {
      await client.connect()
      return await client.end()
    } catch (error) {
      if (tries === 200) throw error
      await delay(50)
    }
  }
}

type Options = Readonly<{
  /** The server to replicate from. Without it, the new server is empty. */
  primary?: PostgresServer
  /** Enables TLS, with the self-signed `certificate` for 127.0.0.1. */
  tls?: boolean
  /** By default a free one. */
  port?: number
}>

/** Starts a PostgreSQL server for one test, on loopback: an empty one or a replica. */
export const startPostgresServer = async ({
  primary,
  tls = false,
  port: ownPort,
}: Options = {}): Promise<PostgresServer> => {
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'))
  const { uid, gid } = postgresUser()
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  const data = join(folder, 'data')
  if (primary === undefined)
    await runProgram('initdb', ['-D', data, '-E', 'UTF8', '-U', 'postgres', '-A', 'trust', '--no-sync'])
  else
    await runProgram('pg_basebackup', [
      '-D',
      data,
      '-h',
      '127.0.0.1',
      '-p',
      String(primary.port),
      '-U',
      'postgres',
      '-R',
      '-X',
      'stream',
      '-c',
      'fast',
      '--no-sync',
    ])
  if (tls) await makeCertificate(folder, 'IP:127.0.0.1', postgresUser())
  const port = ownPort ?? (await freePort())
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  let server: ReturnType<typeof spawn> | undefined

  const start = async () => {
    const settings = [
      'listen_addresses=127.0.0.1',
      'fsync=off',
      'shared_buffers=16MB',
      `unix_socket_directories=${folder}`,
      ...(tls ? ['ssl=on', `ssl_cert_file=${folder}/server.crt`, `ssl_key_file=${folder}/server.key`] : []),
    ]
    const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
    server = spawn(join(binFolder ?? '', 'postgres'), args, {
      ...postgresUser(),
      cwd: folder,
      stdio: 'ignore',
    })
    await waitUntilReady(url)
  }
  const stop = async () => {
    if (server === undefined) return
    const exited = once(server, 'exit')
    // An immediate shutdown, like a crash.
    server.kill('SIGQUIT')
    await exited
    server = undefined
  }
  const signal = (name: NodeJS.Signals) => {
    if (server?.pid !== undefined) signalAll(server.pid, name)
  }
  await start()
  return {
    hang: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    port,
    url,
    certificate: join(folder, 'server.crt'),
    start,
    stop,
    promote: async () => void (await query('select pg_promote()', url)),
    [Symbol.asyncDispose]: async () => {
      signal('SIGCONT')
      await stop()
      rmSync(folder, { recursive: true })
    },
  }
}
