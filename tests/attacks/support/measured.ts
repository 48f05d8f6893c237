import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { attackerOf, isLong, latenciesDecide, maxMebibytes, maxP99, sized } from './form.ts'
import type { Served } from './innocent.ts'
import { forgetPeak, peakMebibytes, refusalsOf, statementsDuring } from './observed.ts'
import { addToReport } from './report.ts'
import type { Attack, Row } from './row.ts'
import type { Shop } from './shop.ts'
import type { Stage } from './stage.ts'

type Counts = Readonly<Record<string, number>>

/** What the limits of both services have refused so far, by reason. */
const refusedBy = async (shop: Shop): Promise<Counts> => {
  const [product, basket] = await Promise.all([refusalsOf(shop.product), refusalsOf(shop.basket)])
  const reasons = new Set([...Object.keys(product), ...Object.keys(basket)])
  return Object.fromEntries(
    [...reasons].map((reason) => [reason, (product[reason] ?? 0) + (basket[reason] ?? 0)]),
  )
}

const difference = (after: Counts, before: Counts): Counts =>
  Object.fromEntries(
    Object.entries(after)
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  )

const assertRunning = ({ product, basket }: Shop) => {
  for (const { process, output } of [product, basket])
    assert.ok(
      process.exitCode === null && process.signalCode === null,
      `a service has ended\n${output().slice(-2_000)}`,
    )
}

type Outcome = Readonly<{ counted: string } | { error: unknown }>

const runOne = <Place extends Shop>(
  { run, name }: Attack<Place>,
  shop: Place,
  number: number,
): Promise<Outcome> =>
  run(shop, attackerOf(number)).then(
    (counted) => ({ counted }),
    (cause: unknown) => ({ error: new Error(`${name}: ${String(cause)}`, { cause }) }),
  )

/** At most three attackers at a time: together they have less than the total, of which each has at most a quarter. */
const runAll = async <Place extends Shop>(
  { attacks, inSequence = false }: Row<Place>,
  shop: Place,
): Promise<Outcome[]> => {
  if (!inSequence) return Promise.all(attacks.map((attack, index) => runOne(attack, shop, index % 3)))
  const outcomes: Outcome[] = []
  for (const attack of attacks) outcomes.push(await runOne(attack, shop, 0))
  return outcomes
}

const assertServed = ({ failures, requests, p99 }: Served) => {
  assert.ok(requests > 0)
  assert.deepEqual(failures.slice(0, 5), [], `${failures.length} of ${requests} innocent requests failed`)
  if (latenciesDecide) assert.ok(p99 < maxP99, `the innocent client waited ${p99} ms (p99)`)
}

/**
 * Attacks while the innocent client goes on. Asserts that it is served as before, and that the services keep within their
 * memory; in the long form, also that it does not wait long.
 */
const attackBeside = async <Place extends Shop>(
  row: Row<Place>,
  { shop, innocent }: Stage<Place>,
  statements: number | undefined,
): Promise<void> => {
  const refusedBefore = await refusedBy(shop)
  for (const service of [shop.product, shop.basket]) forgetPeak(service)
  let outcomes: Outcome[] = []
  const served = await innocent.during(async () => {
    outcomes = await runAll(row, shop)
    // What the attack leaves behind is felt, too.
    await delay(sized(200, 3_000))
  })
  const mebibytes = [peakMebibytes(shop.product), peakMebibytes(shop.basket)] as const
  assertRunning(shop)
  const refused = difference(await refusedBy(shop), refusedBefore)
  const counted = outcomes.map((outcome) => ('error' in outcome ? String(outcome.error) : outcome.counted))
  addToReport({ attack: row.name, served, mebibytes, statements, refused, counted: isLong ? counted : [] })
  assertServed(served)
  for (const peak of mebibytes) assert.ok(peak < maxMebibytes, `${peak} MiB`)
  for (const outcome of outcomes) if ('error' in outcome) throw outcome.error
  for (const reason of row.refuses ?? [])
    assert.ok(
      (refused[reason] ?? 0) > 0,
      `nothing was refused because of ${reason}: ${JSON.stringify(refused)}`,
    )
}

/**
 * The statements that the attacks cause. If these are too many, the attacks are repeated once: a client that the system interrupts
 * between its request and its departure is still there when it is served.
 */
const statementsOf = async <Place extends Shop>(
  row: Row<Place>,
  { shop }: Stage<Place>,
  max: number,
): Promise<number> => {
  const measure = () => statementsDuring(shop.product, () => runAll(row, shop))
  const first = await measure()
  return first <= max ? first : Math.min(first, await measure())
}

/** Runs the attacks of the row, and asserts everything that it says. */
export const assertWithstood = async <Place extends Shop>(
  row: Row<Place>,
  stage: Stage<Place>,
): Promise<void> => {
  if (row.harmful === true) {
    for (const outcome of await runAll(row, stage.shop)) if ('error' in outcome) throw outcome.error
    return assertRunning(stage.shop)
  }
  if (row.maxStatements === undefined) return attackBeside(row, stage, undefined)
  const statements = await statementsOf(row, stage, row.maxStatements)
  await attackBeside(row, stage, statements)
  assert.ok(statements <= row.maxStatements, `${statements} statements`)
}
