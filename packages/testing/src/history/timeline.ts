import type { Operation } from './history.ts'

/** The call or the return of an operation, which is its index in the history. */
type Event = {
  readonly operation: number
  readonly isReturn: boolean
  previous: Event | undefined
  next: Event | undefined
}

type Time = Readonly<{ time: number; event: Event }>

/** Calls come before returns of the same time: such operations count as concurrent, so that a coarse clock proves nothing wrong. */
const byTime = (a: Time, b: Time): number =>
  a.time - b.time || Number(a.event.isReturn) - Number(b.event.isReturn)

const link = (previous: Event | undefined, next: Event | undefined): void => {
  if (previous !== undefined) previous.next = next
  if (next !== undefined) next.previous = previous
}

/** The calls and returns of a history in their order: a doubly linked list from which operations are lifted, and put back in reverse. */
export class Timeline {
  readonly #head: Event = { operation: -1, isReturn: false, previous: undefined, next: undefined }
  readonly #eventsOf: readonly (readonly Event[])[]

  constructor(operations: readonly Operation<unknown, unknown>[]) {
    const times: Time[] = operations.flatMap(({ begin, end }, operation) => {
      const event = (isReturn: boolean): Event => ({
        operation,
        isReturn,
        previous: undefined,
        next: undefined,
      })
      const call = { time: begin, event: event(false) }
      return end === Infinity ? [call] : [call, { time: end, event: event(true) }]
    })
    const eventsOf: Event[][] = operations.map(() => [])
    let last = this.#head
    for (const { event } of times.toSorted(byTime)) {
      link(last, event)
      last = event
      eventsOf[event.operation]?.push(event)
    }
    this.#eventsOf = eventsOf
  }

  /** Calls `visit` with each call and return in order, as long as it returns true. It may lift the operation whose call it is. */
  visit(visit: (operation: number, isReturn: boolean) => boolean): void {
    let event = this.#head.next
    // The event of an operation that was lifted still leads on, but not to its own return.
    while (event !== undefined && visit(event.operation, event.isReturn)) event = event.next
  }

  lift(operation: number): void {
    for (const event of this.#eventsOf[operation]?.toReversed() ?? []) link(event.previous, event.next)
  }

  /** Puts back the operation that was lifted last. */
  putBack(operation: number): void {
    for (const event of this.#eventsOf[operation] ?? []) {
      link(event.previous, event)
      link(event, event.next)
    }
  }
}
