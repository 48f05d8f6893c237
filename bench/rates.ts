/**
 * Measures what rate limits cost a request that they allow: the CPU time for a caller who is limited, and for one with the scope
 * `unlimited`. The same processes serve both, because two processes with the same code differ by more than what is measured. The
 * rounds are interleaved. The best round of each counts, because other load on the machine can only add time. ONLY=pattern selects
 * the scenarios.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { newApiKey } from '@shop/testing/auth/api-key.ts'
import { ownPrefix, removeKeys } from '@shop/testing/stores/redis.ts'
import { openCatalog } from './support/catalog.ts'
import { httpCandidates, openServices, printRow, type Subject } from './support/compared-services.ts'
import { fillBaskets } from './support/shop.ts'

const products = 10_000

/** High enough for all rounds, and low enough for the usage to be shared through Redis meanwhile. */
const quota = '5000000'

const callers = {
  unlimited: newApiKey('unlimited', 'baskets:any', 'unlimited'),
  limited: newApiKey('limited', 'baskets:any', 'something:else'),
} as const

const scenarios = [
  ['product', 'get by id'],
  ['basket', 'basket get'],
  ['basket', 'adds to many baskets'],
] as const

await run(async () => {
  const rounds = numberVariable('ROUNDS', 9, 100)
  const seconds = numberVariable('SECONDS', 2, 60)
  const only = new RegExp(process.env['ONLY'] ?? '')

  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const { url: databaseUrl, plentiful } = stack.use(await openCatalog(products))
  const prefix = ownPrefix()
  stack.defer(() => removeKeys(`basket:${prefix}`))
  // So many that no line gets its 999 pieces.
  const users = Array.from({ length: 2_000 }, (_, index) => `${prefix}${index}`)
  const API_KEYS_FILE = join(folder, 'api-keys')
  writeFileSync(API_KEYS_FILE, callers.unlimited.line + callers.limited.line)
  const limits = { RATE_LIMIT_READS: quota, RATE_LIMIT_WRITES: quota }
  const services = await openServices(
    { AUTH: 'keys', API_KEYS_FILE, ...limits },
    { databaseUrl, folder },
    stack,
  )
  const subjects: Subject[] = Object.entries(callers).map(([name, { authorization }]) => ({
    ...services,
    name,
    authorization,
  }))

  await fillBaskets(services.basket.url, users, plentiful.slice(0, 1), callers.unlimited.authorization)

  const load = { stock: { products, plentiful, users }, seconds }
  for (const [service, scenario] of scenarios)
    if (only.test(scenario))
      await printRow(scenario, httpCandidates(subjects, service, scenario, load), rounds)
})
