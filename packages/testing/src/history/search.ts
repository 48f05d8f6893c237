import { FailedStates, type OperationSet } from './failed-states.ts'
import type { Model, Operation, Verdict } from './history.ts'
import { Timeline } from './timeline.ts'

/** An operation that takes effect next, or never does, and the state after that. */
type Choice<State> = Readonly<{ operation: number; state: State; never?: true }>

/** An operation that was lifted from the timeline, and whether it is in the set of the known operations or in that of the unknown ones. */
type Lifted = Readonly<{ operation: number; asKnown: boolean }>

/** A state of the search: its choices that are not yet tried, and how many operations were lifted before it. */
type Frame<State> = Readonly<{ choices: Choice<State>[]; lifted: number }>

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

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model
    this.#operations = operations
    this.#timeline = new Timeline(operations)
    this.#kinds = operations.map(({ input, end }, index) =>
      end === Infinity ? JSON.stringify(input) : String(index),
    )
    this.#knownLeft = operations.filter(({ output }) => output !== undefined).length
  }

  run(maxSteps: number): Verdict['outcome'] {
    const frames: Frame<State>[] = [{ choices: this.#choicesIn(this.#model.initial), lifted: 0 }]
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
      this.#lift(choice.operation, choice.never)
      frames.push({ choices: this.#choicesIn(choice.state), lifted })
    }
    return 'linearizable'
  }

  /**
   * Lifts the reads and refusals that can take effect in this state, which is as good now as later. Returns the others that
   * can take effect, the best choice last; none if the state need not be tried.
   */
  #choicesIn(state: State): Choice<State>[] {
    const known: Choice<State>[] = []
    /** By kind, the one called last at the end. Of each kind, the one called first: it can do what the others can. */
    const unknown = new Map<string, Choice<State>[]>()
    let isDead = false
    const first = this.#timeline.visitCandidates((operation) => {
      if (isDead) return
      const { input, output } = this.#at(operation)
      const kind = this.#kinds[operation] ?? ''
      const same = output === undefined ? unknown.get(kind) : undefined
      const states = same === undefined ? this.#step(state, operation) : []
      if (output === undefined) {
        unknown.delete(kind)
        const changed = states.filter((next) => next !== state)
        unknown.set(kind, same ?? changed.map((next) => ({ operation, state: next })))
      } else if (states[0] === state && this.#model.isWithoutEffect(input, output)) this.#lift(operation)
      else if (states.length > 0) known.push(...states.map((next) => ({ operation, state: next })))
      else isDead = this.#model.isPast?.(state, input, output) === true
    })
    if (isDead || !this.#failed.add(this.#model.keyOf(state), this.#known, this.#unknown)) return []
    // The first return is that of an operation that has to take effect now or never.
    const never = first !== undefined && this.#at(first).output === undefined ? [first] : []
    return [
      ...never.map((operation) => ({ operation, state, never: true as const })),
      ...[...unknown.values()].flat(),
      ...known.toSorted((a, b) => this.#at(b.operation).end - this.#at(a.operation).end),
    ]
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
