import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Outcome } from './http-load.ts'

const execute = promisify(execFile)

const isInstalled = async (program: string): Promise<boolean> =>
  execute('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  )

/** The programs on this machine that measure the stores, or create load. */
export const installed = new Set<string>()
for (const program of ['pgbench', 'redis-benchmark', 'h2load', 'wrk'])
  if (await isInstalled(program)) installed.add(program)

type Options = Readonly<{ url: string; connections: number; seconds: number }>

const outcomeOf = (rate: number, requests: number): Outcome => ({ requests, rate, failed: 0, p50: 0, p99: 0 })

/** PostgreSQL allows 100 connections, and the candidates have some sixty. */
const maxConnections = 24

/** Runs pgbench with prepared selects of one product by primary key. */
export const pgbench = async ({ url, connections, seconds }: Options, products: number): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const script = join(folder, 'select.sql')
    writeFileSync(
      script,
      `\\set id random(1, ${products})\nselect id, name, description, price, stock, category, version, created_at, updated_at from products where id = :id;\n`,
    )
    const { stdout } = await execute(
      'pgbench',
      `-n -M prepared -c ${Math.min(connections, maxConnections)} -j 1 -T ${seconds} -f ${script} ${url}`.split(
        ' ',
      ),
    )
    const [, rate] = /tps = ([\d.]+)/.exec(stdout) ?? []
    return outcomeOf(Number(rate), Number(rate) * seconds)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Runs redis-benchmark with GETs of one key, without pipelining. */
export const redisBenchmark = async (
  { url, connections, seconds }: Options,
  key: string,
): Promise<Outcome> => {
  const { hostname, port, pathname } = new URL(url)
  // redis-benchmark takes a number of requests, not a duration. This number takes about `seconds`.
  const requests = seconds * 50_000
  const { stdout } = await execute(
    'redis-benchmark',
    `-h ${hostname} -p ${port || '6379'} --dbnum ${pathname.slice(1) || '0'} -c ${connections} -n ${requests} --csv get ${key}`.split(
      ' ',
    ),
  )
  const [, rate] = /^"get[^"]*","([\d.]+)"/im.exec(stdout) ?? []
  return outcomeOf(Number(rate), requests)
}
