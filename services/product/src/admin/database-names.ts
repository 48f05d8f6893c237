import { randomBytes } from 'node:crypto'

/** PostgreSQL cuts off longer identifiers, without an error. */
export const maxNameBytes = 63

/** The longest beginning of `text` that fits, of whole characters. */
const beginningOf = (text: string, maxBytes: number): string => {
  let beginning = ''
  for (const character of text) {
    if (Buffer.byteLength(beginning + character) > maxBytes) break
    beginning += character
  }
  return beginning
}

/**
 * Names for the database that is restored and for the one that it replaces. The random part makes them differ
 * from those of a restore at the same time of a database whose name begins alike.
 */
export const namesBeside = (name: string, now: Date): Readonly<{ restored: string; kept: string }> => {
  const stamp = now.toISOString().replace(/\D/g, '').slice(0, 14)
  const unique = `${stamp}_${randomBytes(3).toString('hex')}`
  const withEnding = (ending: string) => `${beginningOf(name, maxNameBytes - ending.length)}${ending}`
  return { restored: withEnding(`_restored_${unique}`), kept: withEnding(`_before_${unique}`) }
}
