import type { MetadataValue } from '@grpc/grpc-js'
import { AppError } from '@shop/kernel/errors.ts'

/** The values of each name. */
export type Entries = Readonly<Record<string, readonly MetadataValue[]>>

/**
 * The maximum size of the metadata of a call. The protocol recommends 8 KiB. The library has no limit, and that of HTTP/2
 * applies only once the client has confirmed it.
 */
const maxMetadataBytes = 16 * 1024

/** What HTTP/2 adds for each entry when it measures a header list (RFC 9113 §6.5.2). */
const entryBytes = 32

const sizeOf = (entries: Entries): number => {
  let bytes = 0
  for (const name in entries)
    for (const value of entries[name] ?? []) bytes += name.length + value.length + entryBytes
  return bytes
}

/** Created once: each error would capture its own stack trace. */
const refusal = new AppError(
  'payload_too_large',
  `the metadata of a call has at most ${maxMetadataBytes / 1024} KiB`,
)

/** Returns the error with which to refuse a call that has too much metadata. */
export const metadataRefusal = (entries: Entries, host: string): AppError | undefined =>
  sizeOf(entries) + host.length > maxMetadataBytes ? refusal : undefined
