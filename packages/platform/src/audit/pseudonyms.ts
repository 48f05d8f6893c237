import { createHmac, createSecretKey } from 'node:crypto'

/** At most this many are remembered: the HMAC takes 3 µs, and most callers write several times. */
const maxRemembered = 1_000
/** Longer texts are not remembered. */
const maxLength = 128

/** 132 bits. */
const length = 22

/**
 * Returns a function that stands a pseudonym for a text: its HMAC-SHA-256 by the key, of which the first 22 characters in base64url.
 * Without the key, nobody can find the text by trying, and nobody can say what the pseudonym of a text is.
 */
export const createPseudonyms = (key: string): ((text: string) => string) => {
  const secret = createSecretKey(key, 'utf8')
  const remembered = new Map<string, string>()
  const compute = (text: string): string =>
    createHmac('sha256', secret).update(text).digest('base64url').slice(0, length)
  return (text) => {
    const known = remembered.get(text)
    if (known !== undefined) return known
    const pseudonym = compute(text)
    if (text.length > maxLength) return pseudonym
    const [oldest] = remembered.size < maxRemembered ? [] : remembered.keys()
    if (oldest !== undefined) remembered.delete(oldest)
    remembered.set(text, pseudonym)
    return pseudonym
  }
}
