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

/**
 * Any character except white space, control characters and those that Unicode tells programs not to draw. The
 * listed ones are blank although Unicode has no property for it: interlinear annotations, the empty Braille pattern and the
 * null notehead.
 */
const visible =
  /[^\p{White_Space}\p{Control}\p{Default_Ignorable_Code_Point}\u{fff9}-\u{fffb}\u{2800}\u{1d159}]/u

/** Whether a reader sees anything of the text. */
export const hasVisibleCharacter = (text: string): boolean => visible.test(text)

/** Whether the text is a single line without control characters: C0, C1, DEL and the separators of lines. */
export const isPlainLine = (text: string): boolean => !/[\p{Control}\u{2028}\u{2029}]/u.test(text)

/** Whether the text has no control characters except tabs and the ends of lines (CR, LF). */
export const isPlainText = (text: string): boolean => !/[^\P{Control}\t\r\n]/u.test(text)

/**
 * Whether the text has a bidirectional embedding, override or isolate. They change the order in which the characters, and
 * also those of the text after it, are shown. Text of right-to-left scripts needs none of them, at most the marks U+200E,
 * U+200F and U+061C.
 */
export const hasDirectionalFormatting = (text: string): boolean => /[\u202a-\u202e\u2066-\u2069]/.test(text)
