/** Whether every store and wire can hold the text: no NUL character, no lone surrogate. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** Length in characters (code points), as PostgreSQL and JSON Schema count them. */
export const characterCount = (text: string): number => {
  let count = 0
  for (const _ of text) count += 1
  return count
}
