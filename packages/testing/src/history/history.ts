/**
 * Histories of concurrent clients, and what they are checked against. Each history is that of one object: a history of several is
 * linearizable if that of each object is (Herlihy and Wing, "Linearizability", 1990, theorem 1).
 */

/**
 * An operation of a client on one object, as the client saw it. `begin` and `end` come from one monotonic clock or counter of the
 * process that records: an operation that ended before another began must have the smaller `end`.
 */
export type Operation<Input, Output> = Readonly<{
  client: number
  /** Plain data, as JSON has it: operations with the same JSON are the same. */
  input: Input
  /** Undefined if the outcome is unknown, for instance after a 503, a 500 or a cut connection. */
  output: Output | undefined
  begin: number
  /**
   * Infinity if the outcome is unknown: the operation may take effect at any later time, or never. A finite `end` without an `output`
   * says that it took effect before `end` or not at all, which only the death of everything that could do it later proves.
   */
  end: number
}>

/** What an object does if its operations come one after the other. */
export type Model<State, Input, Output> = Readonly<{
  initial: State
  /**
   * The states that may follow if the operation takes effect in `state` with this output; none if it cannot have this output here. With
   * `undefined` any output is possible. Returns `state` itself, not a copy, if the operation leaves it
   * as it is.
   */
  step: (state: State, input: Input, output: Output | undefined) => readonly State[]
  /** The same text for states that no operation can tell apart, and different texts for others. */
  keyOf: (state: State) => string
  /**
   * Whether an operation that cannot have this output in `state` cannot have it in any state that can follow either, for instance because
   * the output shows an earlier version. Only speeds up the search, but a wrong `true` lets it miss an order.
   */
  isPast?: (state: State, input: Input, output: Output) => boolean
  /**
   * Whether `input`, which leads from `before` to `after`, may be of use to an operation that cannot have its output in `before`: directly,
   * or because it makes a further one possible that is. False only if the two could as well change places. Only speeds up the search, but
   * a wrong `false` lets it miss an order.
   */
  mayHelp?: (before: State, input: Input, after: State, blocked: Input, blockedOutput: Output) => boolean
  /**
   * Whether an operation with this output, or with any output if it is `undefined`, leaves every state as it is: a read, or a refusal.
   * The search takes such an operation as soon as it can, and a report can leave it out.
   */
  isWithoutEffect: (input: Input, output: Output | undefined) => boolean
}>

/**
 * Whether a history can be explained. `undecided`: the search took more steps than it may. That is no success: a run that ends so has
 * checked nothing.
 */
export type Verdict = Readonly<{ outcome: 'linearizable' | 'impossible' | 'undecided'; steps: number }>
