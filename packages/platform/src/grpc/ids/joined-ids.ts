import type { Metadata } from '@grpc/grpc-js'
import { maxJoinedIds, parseRequestId } from '../../request-context.ts'

/** The ids of other requests that wait for the same call, separated by spaces. */
const joinedIdsKey = 'x-joined-request-ids'

/** Those ids that contain spaces, separated by line feeds. Servers up to 0.1.0 do not know this key. */
const spacedIdsKey = 'x-joined-request-ids-bin'

/** The keys of the metadata that carry joined ids. */
export const joinedIdsKeys = [joinedIdsKey, spacedIdsKey]

/** Adds the ids of the other requests that wait for the call. */
export const setJoinedIds = (metadata: Metadata, ids: readonly string[]): void => {
  const plain = ids.filter((id) => !id.includes(' '))
  const spaced = ids.filter((id) => id.includes(' '))
  if (plain.length > 0) metadata.set(joinedIdsKey, plain.join(' '))
  if (spaced.length > 0) metadata.set(spacedIdsKey, Buffer.from(spaced.join('\n')))
}

/** Returns the valid ids of the other requests that wait for the call; undefined, not an empty array, if none. */
export const joinedIdsIn = (metadata: Metadata): readonly string[] | undefined => {
  const [plain] = metadata.get(joinedIdsKey)
  const [spaced] = metadata.get(spacedIdsKey)
  if (plain === undefined && spaced === undefined) return undefined
  const texts = [...String(plain ?? '').split(' '), ...String(spaced ?? '').split('\n')]
  const ids = texts.flatMap((text) => parseRequestId(text) ?? [])
  return ids.length === 0 ? undefined : ids.slice(0, maxJoinedIds)
}
