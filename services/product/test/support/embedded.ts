import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { silentLogger } from '@shop/testing/observability/logger.ts'
import { readConfig } from '../../src/config.ts'
import { byId } from '../../src/domain/product-reader.ts'
import { openAdapters } from '../../src/infrastructure/adapters.ts'

export const temporaryFolder = () => mkdtempDisposable(join(tmpdir(), 'product-test-'))

/** Opens the embedded catalog in the folder. */
export const open = (dataDir: string, environment: Record<string, string> = {}, logger = silentLogger) =>
  openAdapters({ config: readConfig({ STORAGE: 'embedded', DATA_DIR: dataDir, ...environment }), logger })

type Adapters = Awaited<ReturnType<typeof open>>

export const listAll = async ({ ports }: Adapters) =>
  (await ports.reader.list({ sort: byId, limit: 1_000 })).products

export const main = join(import.meta.dirname, '../../src/main.ts')

/**
 * Runs the service in a child process on this folder until it exits. `limit` is the size of a file that it may write, in
 * blocks.
 */
export const runService = async (dataDir: string, limit = 'unlimited') => {
  const child = spawn('sh', ['-c', `ulimit -f ${limit}; exec "$@"`, 'sh', process.execPath, main], {
    env: { PATH: process.env['PATH'], STORAGE: 'embedded', DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  })
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code }
}
