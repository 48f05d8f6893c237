/** The part of a key that is hashed: the content of the first `{…}`, or the whole key if that is missing or empty. */
const hashTag = (key: string): string => /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key

/**
 * The slot of a key in Redis Cluster: CRC16 (XMODEM) modulo 16,384. The client has this function but does not export it.
 */
export const keySlot = (key: string): number => {
  let crc = 0
  for (const byte of Buffer.from(hashTag(key))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  }
  return crc & 0x3fff
}

/** Returns a key with this prefix for each owner. `owners` has the owner of every slot. */
export const keyOfEach = (owners: readonly unknown[], prefix: string): readonly string[] => {
  const missing = new Set(owners)
  const keys: string[] = []
  for (let tag = 0; missing.size > 0; tag++) {
    const key = `${prefix}{${tag}}`
    if (missing.delete(owners[keySlot(key)])) keys.push(key)
  }
  return keys
}
