import type { Client } from './client.ts'

/** The clients in the order of their turns, each with its items in order of arrival. */
const createPlaces = <Item>() => {
  const queues = new Map<Client, Set<Item>>()
  const clientsOf = new Map<Item, Client[]>()
  return {
    queues,
    clientsOf,
    add: (client: Client, item: Item): void => {
      const items = queues.get(client)
      if (items === undefined) queues.set(client, new Set([item]))
      else items.add(item)
      const clients = clientsOf.get(item)
      if (clients === undefined) clientsOf.set(item, [client])
      else clients.push(client)
    },
    remove: (item: Item): void => {
      for (const client of clientsOf.get(item) ?? []) {
        const items = queues.get(client)
        items?.delete(item)
        if (items?.size === 0) queues.delete(client)
      }
      clientsOf.delete(item)
    },
  }
}

/**
 * A queue that takes the clients in turn, so that a client with many items does not delay those of others. An item may
 * wait for several clients: it comes when the first of them has its turn.
 */
export const fairQueue = <Item>() => {
  const { queues, clientsOf, add, remove } = createPlaces<Item>()
  return {
    /** Adds the item for a client for which it does not wait yet. */
    add,
    remove,
    /** The first item of the client whose turn it is. */
    first: (): Item | undefined => {
      for (const items of queues.values()) for (const item of items) return item
      return undefined
    },
    /** Removes and returns the first item of the client whose turn it is. */
    shift: (): Item | undefined => {
      for (const [client, items] of queues)
        for (const item of items) {
          queues.delete(client)
          // To the end: the other clients come first.
          queues.set(client, items)
          remove(item)
          return item
        }
      return undefined
    },
    /** The item that was added first. */
    oldest: (): Item | undefined => clientsOf.keys().next().value,
    has: (client: Client, item: Item): boolean => queues.get(client)?.has(item) === true,
    length: (): number => clientsOf.size,
    lengthOf: (client: Client): number => queues.get(client)?.size ?? 0,
  }
}
