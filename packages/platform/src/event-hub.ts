/** Passes published events to all subscribers. */
export type EventHub<Event> = Readonly<{
  /**
   * Calls every subscriber with each event. An error in a subscriber affects neither the publisher nor other subscribers.
   */
  publish: (events: readonly Event[]) => void
  subscribe: (subscriber: (event: Event) => void) => void
}>

/** A hub within this process. `onError` receives the errors of subscribers. */
export const eventHub = <Event>(onError: (error: unknown) => void): EventHub<Event> => {
  const subscribers: ((event: Event) => void)[] = []
  const deliver = (subscriber: (event: Event) => void, event: Event) => {
    try {
      subscriber(event)
    } catch (error) {
      onError(error)
    }
  }
  return {
    publish: (events) => {
      for (const event of events) for (const subscriber of subscribers) deliver(subscriber, event)
    },
    subscribe: (subscriber) => void subscribers.push(subscriber),
  }
}
