/** What follows the scheme, until a space. In a line of JSON, a quotation mark ends it too, and so does an escaped space. */
const rests = {
  text: /:\/\/\S*/g,
  json: /:\/\/(?:[^\s"\\]|\\["\\/])*/g,
}

const authorities = /:\/\/([^/?#]*)/g

/** The paths of these URLs may contain `@`, as in stack traces. In those of stores, only the credentials do. */
const pathSchemes: ReadonlySet<string> = new Set(['file', 'http', 'https'])

const schemeBefore = (text: string, end: number): string =>
  /[a-z][a-z0-9+.-]*$/i.exec(text.slice(Math.max(0, end - 20), end))?.[0].toLowerCase() ?? ''

/** Whether this is a host with an optional port, so that a later `@` does not end credentials. */
const isHost = (authority: string): boolean =>
  /^\[[0-9a-f:.]*\](?::\d*)?$/i.test(authority) || /^[^:]*(?::\d*)?$/.test(authority)

/** Returns `rest`, which is at `offset` in the text, without credentials. It may contain further URLs. */
const withoutCredentials = (rest: string, offset: number, text: string): string => {
  const last = rest.lastIndexOf('@')
  if (last === -1) return rest
  let result = ''
  let end = 0
  for (const { index, 0: match, 1: authority = '' } of rest.matchAll(authorities)) {
    const from = index + match.length - authority.length
    const scheme = schemeBefore(text, offset + index)
    const at = pathSchemes.has(scheme) && isHost(authority) ? authority.lastIndexOf('@') : last - from
    if (at < 0 || from < end) continue
    result += `${rest.slice(end, from)}[Redacted]`
    end = from + at
  }
  return result + rest.slice(end)
}

/**
 * Removes the user and the password from all URLs in a text or a line of JSON, such as those in error messages. A password
 * may contain `@`, and other characters that should be escaped.
 */
export const withoutUrlCredentials = (text: string, format: 'text' | 'json' = 'text'): string =>
  text.includes('://') ? text.replace(rests[format], withoutCredentials) : text
