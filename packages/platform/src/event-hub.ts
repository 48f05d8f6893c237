/** Passes published events to all readers. */
export type EventHub<Event> = Readonly<{
  /**
   * Calls every reader with each event. An error in a reader affects neither the publisher nor other readers.
   */
  publish: (events: readonly Event[]) => void
  subscribe: (reader: (event: Event) => void) => void
}>

/** A hub within this process. `onError` receives the errors of readers. */
export const eventHub = <Event>(onError: (error: unknown) => void): EventHub<Event> => {
  const readers: ((event: Event) => void)[] = []
  const deliver = (reader: (event: Event) => void, event: Event) => {
    try {
      reader(event)
    } catch (error) {
      onError(error)
    }
  }
  return {
    publish: (events) => {
      for (const event of events) for (const reader of readers) deliver(reader, event)
    },
    subscribe: (reader) => void readers.push(reader),
  }
}
