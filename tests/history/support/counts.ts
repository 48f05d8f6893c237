/** Counts by name, in the order in which the names came first. */
export class Counts {
  readonly #counts = new Map<string, number>()

  add(name: string, count = 1): void {
    this.#counts.set(name, this.get(name) + count)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** On one line. */
  line(): string {
    return [...this.#counts].map(([name, count]) => `${name} ${count}`).join(', ')
  }

  /** One line each. */
  table(): string {
    const width = Math.max(...[...this.#counts.keys()].map(({ length }) => length))
    return [...this.#counts].map(([name, count]) => `  ${name.padEnd(width)}  ${count}`).join('\n')
  }
}
