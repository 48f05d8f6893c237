import { Metadata } from '@grpc/grpc-js'
import { requestIdHeader } from '../../request-context.ts'
import type { Entries } from '../edge/metadata-size.ts'
import { joinedIdsKeys } from './joined-ids.ts'

const keys = [requestIdHeader, ...joinedIdsKeys, 'traceparent', 'tracestate']

/** Kept with the metadata: a WeakMap would take 3 µs for each call. */
const removedKey = 'shop-removed-ids'

/** Most strangers send no ids. */
const nothing = new Metadata()

/** The ids that were removed from the metadata of a call; undefined if its caller is trusted. */
export const removedIds = (metadata: Metadata): Metadata | undefined => {
  const removed = metadata.getOpaque(removedKey)
  return removed instanceof Metadata ? removed : undefined
}

/**
 * Removes the ids of requests and traces from the metadata of a call. For every call of a peer that is not trusted, also of
 * services such as health, before anything reads the metadata. `entries` is its content.
 */
export const removeIds = (metadata: Metadata, entries: Entries): void => {
  let removed = nothing
  for (const key of keys) {
    const values = entries[key]
    if (values === undefined) continue
    if (removed === nothing) removed = new Metadata()
    for (const value of values) removed.add(key, value)
    metadata.remove(key)
  }
  metadata.setOpaque(removedKey, removed)
}
