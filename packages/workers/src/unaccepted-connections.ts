import type { Worker } from 'node:cluster'

/** A message of node:cluster has a number, `seq`. The answer to it has this number as `ack`. */
type ClusterMessage = Readonly<{ seq?: number; ack?: number }>

type Connection = Readonly<{ close: () => void }>

/**
 * Closes connections that the worker did not accept before it was killed. node:cluster sends a connection to a worker, and
 * closes its own copy when the worker answers. Without an answer the copy stays open: its client waits for ever, and the
 * supervisor keeps a descriptor. To be called before a connection is sent to the worker.
 */
export const closeUnaccepted = (worker: Worker): void => {
  const { process: child } = worker
  const unaccepted = new Map<number | undefined, Connection>()
  const send = child.send.bind(child) as (...args: unknown[]) => boolean
  child.send = (...args: unknown[]) => {
    const [{ seq }, connection] = args as [ClusterMessage, Connection | null | undefined]
    if (connection) unaccepted.set(seq, connection)
    return send(...args)
  }
  child.on('internalMessage', ({ ack }: ClusterMessage) => unaccepted.delete(ack))
  // `close` follows `exit` and the last answer of the worker.
  child.once('close', () => {
    for (const connection of unaccepted.values()) connection.close()
    // node:cluster sometimes keeps a worker that was killed in between (1 of 69), and then listens without any worker.
    worker.disconnect()
  })
}
