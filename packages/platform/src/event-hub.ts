/** Passes what has happened on to those who want to know. */
export type EventHub<Event> = Readonly<{
  /** Tells every reader. What a reader throws is the hub's: it can neither fail what has happened nor keep it from others. */
  publish: (events: readonly Event[]) => void
  subscribe: (reader: (event: Event) => void) => void
}>

/** A hub in this process. `onError` is told what a reader throws. */
export const eventHub = <Event>(onError: (error: unknown) => void): EventHub<Event> => {
  const readers: ((event: Event) => void)[] = []
  const tell = (reader: (event: Event) => void, event: Event) => {
    try {
      reader(event)
    } catch (error) {
      onError(error)
    }
  }
  return {
    publish: (events) => {
      for (const event of events) for (const reader of readers) tell(reader, event)
    },
    subscribe: (reader) => void readers.push(reader),
  }
}
