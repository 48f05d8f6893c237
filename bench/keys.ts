/**
 * Measures what idempotency keys cost: the CPU time of an add without a key, with a new key, and with that of an earlier add; and of a
 * read of a basket without keys, and with as many as it remembers. The same process serves all, in interleaved rounds. The best round
 * of each counts, because other load on the machine can only add time. ONLY=pattern selects the rows.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { ownPrefix, removeKeys } from '@shop/testing/stores/redis.ts'
import { openCatalog } from './support/catalog.ts'
import { openServices, printRow } from './support/compared-services.ts'
import type { Candidate } from './support/comparison.ts'
import { drive, type HttpRequest } from './support/load/http-load.ts'
import { fillBaskets } from './support/shop.ts'

const products = 1_000
const connections = 32
/** A basket remembers 16 keys. */
const remembered = 16

/** An add to each basket, `count` times, each time with another key. */
const adds = (
  users: readonly string[],
  product: number | undefined,
  count = 1,
  keyOf?: (index: number) => string,
) =>
  Array.from({ length: count }, (_, index) =>
    users.map(
      (user): HttpRequest => ({
        method: 'POST',
        path: `/baskets/${user}/items`,
        body: { product_id: product, quantity: 1 },
        ...(keyOf && { idempotencyKey: keyOf(index) }),
      }),
    ),
  ).flat()

const reads = (users: readonly string[]): HttpRequest[] =>
  users.map((user) => ({ method: 'GET', path: `/baskets/${user}` }))

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
  const usersOf = (name: string) => Array.from({ length: 500 }, (_, index) => `${prefix}${name}${index}`)
  const [without, withNew, withOne] = [usersOf('without'), usersOf('new'), usersOf('one')]
  const { basket } = await openServices({ AUTH: 'off' }, { databaseUrl, folder }, stack)
  await fillBaskets(basket.url, [...without, ...withNew, ...withOne], plentiful.slice(0, 1))

  let runs = 0
  const load = (requests: readonly HttpRequest[], duration = seconds) =>
    drive({ url: basket.url, requests, connections, seconds: duration })
  const candidate = (name: string, requests: () => readonly HttpRequest[]): Candidate => ({
    name,
    processes: { service: [basket.pid] },
    run: () => load(requests()),
  })
  // One more than a basket remembers: when a key comes again, it is a new one.
  const newKeys = () => {
    runs += 1
    return adds(withNew, plentiful[0], remembered + 1, (index) => `run-${runs}-${index}`)
  }
  const oneKey = adds(withOne, plentiful[0], 1, () => 'always-the-same-one')
  await load(newKeys(), 5)

  const rows: Record<string, Candidate[]> = {
    add: [
      candidate('without a key', () => adds(without, plentiful[0])),
      candidate('with a new key', newKeys),
      candidate('with the key of an earlier add', () => oneKey),
    ],
    read: [
      candidate('without keys', () => reads(without)),
      candidate(`with ${remembered} keys`, () => reads(withNew)),
    ],
  }
  for (const [name, candidates] of Object.entries(rows))
    if (only.test(name)) await printRow(name, candidates, rounds)
})
