import type { Principal } from '@shop/kernel/principal.ts'

/** A line of the file of API keys. */
export type ApiKey = Readonly<{
  /** SHA-256 of the key. */
  hash: Buffer
  /** Its holder. */
  principal: Principal
}>

/** The keys of the file, or the rules that it breaks, by line. */
export type KeyFile = Readonly<{ keys: readonly ApiKey[]; problems: readonly string[] }>

export const maxKeyFileBytes = 1024 * 1024
const maxKeys = 1_000
/** Of these, the rest is only counted. */
const maxProblems = 20

/** The rule of the names of API keys. */
export const keyName = {
  pattern: /^[A-Za-z0-9._-]{1,64}$/,
  rule: '1 to 64 characters of A-Z a-z 0-9 . _ -',
} as const

/** `scope-token` of RFC 6749 §3.3. */
const scopePattern = /^[\x21\x23-\x5B\x5D-\x7E]{1,100}$/

const sha256Pattern = /^[0-9a-f]{64}$/i

type Line = Readonly<{ number: number; name: string; hash: string; scopes: readonly string[] }>

/** The lines that are neither empty nor comments. */
const linesOf = (text: string): readonly Line[] =>
  text.split(/\r?\n/).flatMap((line, index) => {
    const [name = '', hash = '', ...scopes] = line.trim().split(/[ \t]+/)
    return name === '' || name.startsWith('#') ? [] : [{ number: index + 1, name, hash, scopes }]
  })

/** The rules that a line breaks by itself. They do not say what is in the line: it may be a key. */
const rulesBrokenBy = ({ name, hash, scopes }: Line): readonly (string | false)[] => [
  !keyName.pattern.test(name) && `must begin with a name of ${keyName.rule}`,
  !sha256Pattern.test(hash) &&
    'must have, after the name, the SHA-256 of the key as 64 hexadecimal digits, not the key itself',
  scopes.length === 0 && 'must have at least one scope after the SHA-256',
  !scopes.every((scope) => scopePattern.test(scope)) &&
    'must have scopes of at most 100 printable ASCII characters without " and \\',
  new Set(scopes).size < scopes.length && 'must not have the same scope twice',
]

/** Returns the number of the first line with each value, for messages about later ones. */
const firstLines = (lines: readonly Line[], valueOf: (line: Line) => string): ReadonlyMap<string, number> => {
  const first = new Map<string, number>()
  for (const line of lines) if (!first.has(valueOf(line))) first.set(valueOf(line), line.number)
  return first
}

const repetition = (what: string, number: number, first: number | undefined) =>
  first !== undefined && first < number && `must not have the same ${what} as line ${first}`

const problemsOf = (lines: readonly Line[]): readonly string[] => {
  const names = firstLines(lines, ({ name }) => name)
  const hashes = firstLines(lines, ({ hash }) => hash.toLowerCase())
  const problems = lines.flatMap((line) => {
    const { number, name, hash } = line
    const rules = [
      ...rulesBrokenBy(line),
      repetition('name', number, names.get(name)),
      sha256Pattern.test(hash) && repetition('SHA-256', number, hashes.get(hash.toLowerCase())),
    ]
    return rules.filter((rule) => rule !== false).map((rule) => `line ${number} ${rule}`)
  })
  return lines.length > maxKeys ? [`must have at most ${maxKeys} keys`, ...problems] : problems
}

const bounded = (problems: readonly string[]): readonly string[] =>
  problems.length <= maxProblems
    ? problems
    : [...problems.slice(0, maxProblems), `breaks ${problems.length - maxProblems} more rules`]

const keyOf = ({ name, hash, scopes }: Line): ApiKey => ({
  hash: Buffer.from(hash, 'hex'),
  principal: { kind: 'machine', name, scopes: new Set(scopes) },
})

const refused = (problem: string): KeyFile => ({ keys: [], problems: [problem] })

/**
 * Reads the text of a file of API keys: lines of a name, the SHA-256 of the key in hexadecimal, and its scopes, separated by
 * spaces. Lines that begin with `#` are comments. An empty file is refused, because it may be one that is being written; one
 * without keys has a comment.
 */
export const parseKeyFile = (bytes: Buffer): KeyFile => {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return refused('must be UTF-8 text')
  }
  if (text.trim() === '') return refused('must not be empty: without keys, it needs a comment')
  const lines = linesOf(text)
  const problems = problemsOf(lines)
  return problems.length > 0
    ? { keys: [], problems: bounded(problems) }
    : { keys: lines.map(keyOf), problems: [] }
}
