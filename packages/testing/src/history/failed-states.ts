/** A set of operations: bit n is the operation n. */
export type OperationSet = bigint

const isSubset = (a: OperationSet, b: OperationSet): boolean => (a & b) === a

/**
 * The states that a search has tried, with the operations that it had linearized: Lowe's memo. A state need not be tried if it was tried
 * with the same known operations and the same or fewer unknown ones: what is still possible with fewer left is possible with more left.
 */
export class FailedStates {
  readonly #stateNumbers = new Map<string, number>()
  readonly #unknownSets = new Map<string, OperationSet[]>()

  /** Adds the state. Returns false if it need not be tried. */
  add(state: string, known: OperationSet, unknown: OperationSet): boolean {
    const number = this.#stateNumbers.get(state) ?? this.#stateNumbers.size
    this.#stateNumbers.set(state, number)
    const key = `${number} ${known.toString(36)}`
    const tried = this.#unknownSets.get(key) ?? []
    if (tried.some((set) => isSubset(set, unknown))) return false
    this.#unknownSets.set(key, [...tried.filter((set) => !isSubset(unknown, set)), unknown])
    return true
  }
}
