/** What an entry costs besides its characters: the place in the map and the headers of two strings. */
const entryBytes = 200

/** V8 takes one byte per character, or two if one of them is not in Latin-1. */
const bytesOf = (key: string, record: string): number => entryBytes + 2 * (key.length + record.length)

/**
 * The records that this process stored last, up to `maxBytes`: those stored longest ago are forgotten first. Each is only a
 * guess at what the store holds, because other processes write too.
 */
export const rememberedRecords = (maxBytes: number) => {
  const records = new Map<string, string>()
  let bytes = 0

  const take = (key: string): string | undefined => {
    const record = records.get(key)
    if (record === undefined) return undefined
    records.delete(key)
    bytes -= bytesOf(key, record)
    return record
  }
  return {
    get: (key: string): string | undefined => records.get(key),
    /** Returns the record and forgets it. */
    take,
    remember: (key: string, record: string): void => {
      take(key)
      records.set(key, record)
      bytes += bytesOf(key, record)
      for (const oldest of records.keys()) {
        if (bytes <= maxBytes) return
        take(oldest)
      }
    },
    bytes: (): number => bytes,
  }
}

export type RememberedRecords = ReturnType<typeof rememberedRecords>
