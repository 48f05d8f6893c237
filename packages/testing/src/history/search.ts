import { FailedStates, type OperationSet } from './failed-states.ts'
import type { Model, Operation, Verdict } from './history.ts'
import { Timeline } from './timeline.ts'

/** An operation that takes effect next, or never does, and the state after that. */
type Choice<State> = Readonly<{ operation: number; state: State; never?: true }>

/** An operation that was lifted from the timeline, and whether it is in the set of the known operations or in that of the unknown ones. */
type Lifted = Readonly<{ operation: number; asKnown: boolean }>

/** A state of the search: its choices that are not yet tried, how many operations were lifted before it, and `run`: see `#run`. */
type Frame<State> = Readonly<{ choices: Choice<State>[]; lifted: number; run: number }>

/** What can be done in a state. */
type Candidates<State> = Readonly<{
  known: Choice<State>[]
  /** By kind, the one called last at the end. Of each kind, the one called first: it can do what the others can. */
  unknown: Map<string, readonly Choice<State>[]>
  /** Known operations that one of the others may have to precede. */
  blocked: number[]
}> & {
  /** An operation that takes effect now or never. */
  last?: number
  isDead: boolean
}

/** One search for an order of the operations: see `linearizable`. */
export class Search<State, Input, Output> {
  steps = 0
  readonly #model: Model<State, Input, Output>
  readonly #operations: readonly Operation<Input, Output>[]
  readonly #timeline: Timeline
  readonly #failed = new FailedStates()
  /** Operations with unknown outcomes that are the same have the same kind. */
  readonly #kinds: readonly string[]
  readonly #lifted: Lifted[] = []
  #known: OperationSet = 0n
  #unknown: OperationSet = 0n
  #knownLeft: number
  readonly #maxRun: number
  /** How many unknown operations have taken effect since the last known one. */
  #run = 0

  /** With `maxRun`, it tries only orders in which at most so many unknown operations follow each other. */
  constructor(
    model: Model<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
    maxRun: number,
  ) {
    this.#maxRun = maxRun
    this.#model = model
    this.#operations = operations
    this.#timeline = new Timeline(operations)
    this.#kinds = operations.map(({ input, end }, index) =>
      end === Infinity ? JSON.stringify(input) : String(index),
    )
    this.#knownLeft = operations.filter(({ output }) => output !== undefined).length
  }

  run(maxSteps: number): Verdict['outcome'] {
    const frames: Frame<State>[] = [{ choices: this.#choicesIn(this.#model.initial), lifted: 0, run: 0 }]
    while (this.#knownLeft > 0) {
      if (this.steps > maxSteps) return 'undecided'
      const frame = frames.at(-1)
      if (frame === undefined) return 'impossible'
      const choice = frame.choices.pop()
      if (choice === undefined) {
        this.#putBackTo(frame.lifted)
        frames.pop()
        continue
      }
      const lifted = this.#lifted.length
      this.#run = frame.run
      this.#lift(choice.operation, choice.never)
      const choices = this.#choicesIn(choice.state)
      frames.push({ choices, lifted, run: this.#run })
    }
    return 'linearizable'
  }

  /** The operations that can take effect in this state, the best choice last; none if the state need not be tried. */
  #choicesIn(state: State): Choice<State>[] {
    const { known, unknown, blocked, last, isDead } = this.#candidatesIn(state)
    if (isDead || !this.#failed.add(this.#model.keyOf(state), this.#known, this.#unknown)) return []
    const helpful =
      this.#run < this.#maxRun
        ? [...unknown.values()].flat().filter((choice) => this.#mayHelp(state, choice, blocked))
        : []
    return [
      ...(last === undefined ? [] : [{ operation: last, state, never: true as const }]),
      ...helpful,
      ...known.toSorted((a, b) => this.#at(b.operation).end - this.#at(a.operation).end),
    ]
  }

  /** Lifts the reads and refusals that can take effect in this state, which is as good now as later, and returns the others. */
  #candidatesIn(state: State): Candidates<State> {
    const candidates: Candidates<State> = { known: [], unknown: new Map(), blocked: [], isDead: false }
    this.#timeline.visit((operation, isReturn) => {
      const isKnown = this.#at(operation).output !== undefined
      if (isReturn) {
        if (!isKnown) candidates.last ??= operation
        return !isKnown
      }
      if (candidates.last !== undefined) {
        if (isKnown) candidates.blocked.push(operation)
      } else if (isKnown) this.#visitKnown(state, operation, candidates)
      else this.#visitUnknown(state, operation, candidates)
      return !candidates.isDead
    })
    return candidates
  }

  #visitKnown(state: State, operation: number, candidates: Candidates<State>): void {
    const { input, output } = this.#at(operation)
    const states = this.#step(state, operation)
    if (states[0] === state && this.#model.isWithoutEffect(input, output)) this.#lift(operation)
    else if (states.length > 0) candidates.known.push(...states.map((next) => ({ operation, state: next })))
    else {
      candidates.blocked.push(operation)
      candidates.isDead = this.#isPast(state, operation)
    }
  }

  #visitUnknown(state: State, operation: number, { unknown }: Candidates<State>): void {
    const kind = this.#kinds[operation] ?? ''
    const choices =
      unknown.get(kind) ??
      this.#step(state, operation)
        .filter((next) => next !== state)
        .map((next) => ({ operation, state: next }))
    unknown.delete(kind)
    unknown.set(kind, choices)
  }

  /** Whether one of the blocked operations may need the choice. If none does, it is as good after them. */
  #mayHelp(before: State, { operation, state }: Choice<State>, blocked: readonly number[]): boolean {
    const { mayHelp } = this.#model
    const { input } = this.#at(operation)
    return blocked.some((other) => {
      const { input: asked, output } = this.#at(other)
      return output !== undefined && (mayHelp?.(before, input, state, asked, output) ?? true)
    })
  }

  #isPast(state: State, operation: number): boolean {
    const { input, output } = this.#at(operation)
    return output !== undefined && this.#model.isPast?.(state, input, output) === true
  }

  #step(state: State, operation: number): readonly State[] {
    this.steps += 1
    const { input, output } = this.#at(operation)
    return this.#model.step(state, input, output)
  }

  #at(operation: number): Operation<Input, Output> {
    const found = this.#operations[operation]
    if (found === undefined) throw new RangeError(`no operation ${operation}`)
    return found
  }

  /** An operation that never takes effect counts as known from now on. */
  #lift(operation: number, never = false): void {
    const lifted = { operation, asKnown: never || this.#at(operation).output !== undefined }
    this.#timeline.lift(operation)
    this.#lifted.push(lifted)
    this.#run = lifted.asKnown ? 0 : this.#run + 1
    this.#toggle(lifted, -1)
  }

  #putBackTo(count: number): void {
    while (this.#lifted.length > count) {
      const lifted = this.#lifted.pop()
      if (lifted === undefined) return
      this.#timeline.putBack(lifted.operation)
      this.#toggle(lifted, 1)
    }
  }

  #toggle({ operation, asKnown }: Lifted, left: number): void {
    const bit = 1n << BigInt(operation)
    if (asKnown) this.#known ^= bit
    else this.#unknown ^= bit
    if (this.#at(operation).output !== undefined) this.#knownLeft += left
  }
}
