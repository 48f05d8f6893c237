/**
 * Whether every store and protocol can represent the string: it has no NUL character and no lone surrogate.
 */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** The length in characters (code points), as PostgreSQL and JSON Schema count it. */
export const characterCount = (text: string): number => {
  let count = 0
  for (const _ of text) count += 1
  return count
}
