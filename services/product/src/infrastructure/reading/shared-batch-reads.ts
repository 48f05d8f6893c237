import { kindOf } from '@shop/kernel/errors.ts'
import { type BatchesOptions, createBatches, type Outcome } from '@shop/platform/limits/batches/batches.ts'
import { isDamagedRow } from './damaged-row.ts'

type Row = Readonly<{ id: number }>
type Rows = readonly Row[]
type Load<Loaded extends Row> = (ids: readonly number[]) => Promise<readonly Loaded[]>
type Call = Readonly<{ load: Load<Row>; ids: ReadonlySet<number> }>

/** The limits of the batches, and of the calls that wait for one. */
export type BatchReadLimits = Omit<BatchesOptions<Call, Rows>, 'run' | 'sizeOf' | 'startsAtOnce'>

/** The rows of one call, by ascending id. */
const rowsOf = ({ ids }: Call, found: ReadonlyMap<number, Row>): Rows =>
  [...ids].toSorted((a, b) => a - b).flatMap((id) => found.get(id) ?? [])

const readAlone = async ({ load, ids }: Call): Promise<Outcome<Rows>> => {
  try {
    return { value: await load([...ids]) }
  } catch (error) {
    return { error }
  }
}

/** Reads the rows of all calls by one statement. If one of them cannot be read, it fails only the calls that asked for it. */
const readTogether = async (load: Load<Row>, calls: readonly Call[]): Promise<Outcome<Rows>[]> => {
  const ids = new Set(calls.flatMap((call) => [...call.ids]))
  try {
    const found = new Map((await load([...ids])).map((row) => [row.id, row]))
    return calls.map((call) => ({ value: rowsOf(call, found) }))
  } catch (error) {
    if (kindOf(error) === 'unavailable' && !isDamagedRow(error)) return calls.map(() => ({ error }))
    const outcomes: Outcome<Rows>[] = []
    for (const call of calls) outcomes.push(await readAlone(call))
    return outcomes
  }
}

const run = async (calls: readonly Call[]): Promise<Outcome<Rows>[]> => {
  const [first] = calls
  if (first !== undefined && calls.length === 1) return [await readAlone(first)]
  const outcomes = new Map<Call, Outcome<Rows>>()
  // A slot is one connection, so one statement after the other.
  for (const [load, group] of Map.groupBy(calls, (call) => call.load))
    for (const [index, outcome] of (await readTogether(load, group)).entries())
      outcomes.set(group[index] as Call, outcome)
  return calls.map((call) => outcomes.get(call) as Outcome<Rows>)
}

/**
 * Returns a function that makes a read of several ids share its statements with other calls. A call that comes alone is sent
 * at once. Those that come while another runs wait for the end of the turn, or for a slot, and are one statement. It caches
 * nothing: a call only joins a statement that has not been sent yet.
 */
export const sharedBatchReads = (limits: BatchReadLimits) => {
  const batches = createBatches<Call, Rows>({
    ...limits,
    run,
    sizeOf: ({ ids }) => ids.size,
    startsAtOnce: true,
  })
  return <Loaded extends Row>(load: Load<Loaded>) =>
    (ids: readonly number[]): Promise<readonly Loaded[]> =>
      // The rows of a call come from its own `load`.
      batches.add({ load, ids: new Set(ids) }) as Promise<readonly Loaded[]>
}
