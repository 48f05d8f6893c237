const wordsOf = (text: string): string[] => text.split(' ').filter((word) => word !== '')

/**
 * The scopes of a token: `scope` with spaces between them (RFC 9068 §2.2.3) or, as some issuers write it, `scp` with spaces or as a
 * list. Nothing else gives scopes.
 */
export const scopesOf = ({ scope, scp }: Readonly<Record<string, unknown>>): ReadonlySet<string> => {
  if (typeof scope === 'string') return new Set(wordsOf(scope))
  if (typeof scp === 'string') return new Set(wordsOf(scp))
  if (!Array.isArray(scp)) return new Set()
  return new Set(scp.filter((name) => typeof name === 'string' && name !== ''))
}
