import type { Model, Operation } from './history.ts'
import { linearizable } from './linearizable.ts'

type History<Input, Output> = readonly Operation<Input, Output>[]

/** What was known at that time: operations that ended later are pending, those that began later are left out. */
const until = <Input, Output>(operations: History<Input, Output>, time: number): History<Input, Output> =>
  operations
    .filter(({ begin }) => begin <= time)
    .map((operation) =>
      operation.end <= time ? operation : { ...operation, output: undefined, end: Infinity },
    )

/** The first of the ordered values for which `isTrue`, which is true for the last one and for all after the first. */
const firstOf = <Value>(values: readonly Value[], isTrue: (value: Value) => boolean): Value | undefined => {
  let [low, high] = [0, values.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    const value = values[middle]
    if (value !== undefined && isTrue(value)) high = middle
    else low = middle + 1
  }
  return values[low]
}

/** Leaves out every operation that `mayGo` as long as the rest `isWrong`: first large pieces, then ever smaller ones. */
const reduced = <Input, Output>(
  operations: History<Input, Output>,
  mayGo: (operation: Operation<Input, Output>) => boolean,
  isWrong: (operations: History<Input, Output>) => boolean,
): History<Input, Output> => {
  let kept = operations
  for (let size = operations.length; size >= 1; size = Math.floor(size / 2)) {
    const candidates = kept.filter(mayGo)
    for (let from = 0; from < candidates.length; from += size) {
      const piece = new Set(candidates.slice(from, from + size))
      const rest = kept.filter((operation) => !piece.has(operation))
      if (isWrong(rest)) kept = rest
    }
  }
  return kept
}

/** The shortest beginning that `isWrong`. A longer one is wrong too. */
const beginningOf = <Input, Output>(
  operations: History<Input, Output>,
  isWrong: (operations: History<Input, Output>) => boolean,
): History<Input, Output> => {
  const ends = operations.filter(({ output }) => output !== undefined).map(({ end }) => end)
  const end = firstOf(
    ends.toSorted((a, b) => a - b),
    (time) => isWrong(until(operations, time)),
  )
  const beginning = until(operations, end ?? Infinity)
  return isWrong(beginning) ? beginning : operations
}

/**
 * The shortest beginning of an impossible history that is impossible too, without the reads and refusals that it does not need for that.
 * Leaving out a write could make a possible history impossible, so every write is kept. Without a refusal that was pending, an
 * earlier answer may be impossible: then it begins again.
 */
export const shortestImpossible = <State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: History<Input, Output>,
  options: Readonly<{ maxSteps?: number }> = {},
): History<Input, Output> => {
  const isWrong = (history: History<Input, Output>) =>
    linearizable(model, history, options).outcome === 'impossible'
  const mayGo = ({ input, output }: Operation<Input, Output>) => model.isWithoutEffect(input, output)
  let shortest = operations
  for (;;) {
    const next = reduced(beginningOf(shortest, isWrong), mayGo, isWrong)
    if (next.length === shortest.length) return next
    shortest = next
  }
}
