import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

export const isHere = async (program: string): Promise<boolean> =>
  execute('sh', ['-c', `command -v ${program}`]).then(
    () => true,
    () => false,
  )

type Options = Readonly<{ url: string; connections: number; seconds: number }>

/** Selects of one product by its key, a second, as PostgreSQL's own program does them: prepared statements, one after the other. */
export const pgbench = async ({ url, connections, seconds }: Options, products: number): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const script = join(folder, 'select.sql')
    writeFileSync(
      script,
      `\\set id random(1, ${products})\nselect id, name, description, price, stock, category, version, created_at, updated_at from products where id = :id;\n`,
    )
    const { stdout } = await execute(
      'pgbench',
      `-n -M prepared -c ${connections} -j 1 -T ${seconds} -f ${script} ${url}`.split(' '),
    )
    const [, rate] = /tps = ([\d.]+)/.exec(stdout) ?? []
    return Number(rate)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** GETs of a key a second, as Redis' own program does them, without pipelining. */
export const redisBenchmark = async (
  { url, connections, seconds }: Options,
  key: string,
): Promise<number> => {
  const { hostname, port, pathname } = new URL(url)
  // It counts requests and not seconds: about as many as take so long.
  const requests = seconds * 50_000
  const { stdout } = await execute(
    'redis-benchmark',
    `-h ${hostname} -p ${port || '6379'} --dbnum ${pathname.slice(1) || '0'} -c ${connections} -n ${requests} --csv get ${key}`.split(
      ' ',
    ),
  )
  const [, rate] = /^"get[^"]*","([\d.]+)"/im.exec(stdout) ?? []
  return Number(rate)
}
