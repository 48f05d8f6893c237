/** What Redis Cluster hashes: the text in the first braces, unless there is none, or the whole key. */
const hashed = (key: string): string => /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key

/** The slot of a key in Redis Cluster, by CRC16 (XMODEM). */
export const keySlot = (key: string): number => {
  let crc = 0
  for (const byte of Buffer.from(hashed(key))) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  }
  return crc & 0x3fff
}
