import {
  characterCount,
  hasDirectionalFormatting,
  hasVisibleCharacter,
  isPlainLine,
  isPlainText,
  isStorable,
} from '@shop/kernel/text.ts'

/** Each rule returns what the text breaks, if anything. */
type TextRule = (text: string, maxLength: number) => string | undefined

/** The rule that also the texts of older products meet. */
export const storedTextRule: TextRule = (text, maxLength) => {
  if (!isStorable(text)) return 'must not contain NUL characters or lone surrogates'
  return characterCount(text) > maxLength ? `must have at most ${maxLength} characters` : undefined
}

/** The rule for text of several lines. */
export const textRule: TextRule = (text, maxLength) =>
  storedTextRule(text, maxLength) ??
  (isPlainText(text) ? undefined : 'must not contain control characters except tab, CR and LF')

/** The rule for text of one line. */
export const lineRule: TextRule = (text, maxLength) => {
  const message = storedTextRule(text, maxLength)
  if (message !== undefined) return message
  if (!isPlainLine(text)) return 'must be a single line without control characters'
  return hasDirectionalFormatting(text)
    ? 'must not contain bidirectional embeddings, overrides or isolates (U+202A to U+202E, U+2066 to U+2069)'
    : undefined
}

/** The rule for a trimmed name. */
export const nameRule: TextRule = (text, maxLength) => {
  if (text === '') return 'must not be empty'
  return (
    lineRule(text, maxLength) ?? (hasVisibleCharacter(text) ? undefined : 'must have a visible character')
  )
}
