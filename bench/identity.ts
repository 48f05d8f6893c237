/**
 * Measures what it costs to know the caller: the CPU time of a service for reads with an API key, with a token whose verdict is
 * remembered, without credentials, and without identity (`AUTH=off`). The rounds are interleaved, on the same database and Redis.
 * The best round of each counts, because other load on the machine can only add time. ONLY=pattern selects the scenarios.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { ownPrefix, removeKeys } from '@shop/testing/stores/redis.ts'
import { uniformId } from './scenarios.ts'
import { openCatalog } from './support/catalog.ts'
import { httpCandidates, openServices, printRow, type Subject } from './support/compared-services.ts'
import type { Candidate } from './support/comparison.ts'
import { createIdentities } from './support/identities.ts'
import { driveGrpc } from './support/load/grpc-load.ts'
import { fillBaskets } from './support/shop.ts'

const products = 10_000
const connections = 32

const grpcCandidates = (subjects: readonly Subject[], seconds: number): Candidate[] => {
  const calls = Array.from({ length: 1_000 }, () => [uniformId(products)])
  return subjects.map(({ name, authorization, product: { grpc: address, pid } }) => ({
    name,
    processes: { service: [pid] },
    run: () => driveGrpc({ address, calls, concurrency: connections, seconds, authorization }),
  }))
}

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
  const users = Array.from({ length: 500 }, (_, index) => `${prefix}${index}`)
  const stock = { products, plentiful, users }

  const { environments, callers } = await createIdentities(folder)
  const services = {
    off: await openServices(environments.off, { databaseUrl, folder }, stack),
    known: await openServices(environments.known, { databaseUrl, folder }, stack),
  }
  const subjects = callers.map(({ name, service, authorization }) => ({
    ...services[service],
    name,
    authorization,
  }))
  await fillBaskets(services.off.basket.url, users, plentiful.slice(0, 1))

  // Nobody without credentials may read the baskets of users.
  const known = subjects.filter(({ name }) => name !== 'no credentials')
  const load = { stock, seconds }
  const scenarios = {
    'get by id': () => httpCandidates(subjects, 'product', 'get by id', load),
    GetProduct: () => grpcCandidates(subjects, seconds),
    'basket get': () => httpCandidates(known, 'basket', 'basket get', load),
  }
  for (const [name, candidates] of Object.entries(scenarios)) {
    if (!only.test(name)) continue
    await printRow(name, candidates(), rounds)
  }
})
