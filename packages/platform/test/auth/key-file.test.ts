import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseKeyFile } from '../../src/auth/key-file.ts'

const hashOf = (digit: string): string => digit.repeat(64)
const parse = (text: string) => parseKeyFile(Buffer.from(text))
const problemsOf = (text: string): readonly string[] => {
  const { keys, problems } = parse(text)
  assert.ok(problems.length === 0 || keys.length === 0, 'a file that breaks a rule has no keys')
  return problems
}

describe('a file of API keys', () => {
  it('has a name, a SHA-256 and scopes in each line; comments and empty lines do not count', () => {
    const { keys, problems } = parse(
      [
        '\uFEFF# the shop',
        '',
        `importer ${hashOf('a')} catalog:write`,
        `  office\t${hashOf('B')}  orders:any\tcatalog:write  `,
        '   # another comment',
        '',
      ].join('\r\n'),
    )
    assert.deepEqual(problems, [])
    assert.deepEqual(
      keys.map(({ hash, principal }) => ({ hash: hash.toString('hex'), principal })),
      [
        {
          hash: hashOf('a'),
          principal: { kind: 'machine', name: 'importer', scopes: new Set(['catalog:write']) },
        },
        {
          hash: hashOf('b'),
          principal: { kind: 'machine', name: 'office', scopes: new Set(['orders:any', 'catalog:write']) },
        },
      ],
    )
  })

  it('may have no keys, if it says so by a comment', () => {
    assert.deepEqual(parse('# none\n'), { keys: [], problems: [] })
    for (const text of ['', ' \n\n', '\uFEFF'])
      assert.deepEqual(problemsOf(text), ['must not be empty: without keys, it needs a comment'])
  })

  const good = `good ${hashOf('a')} read`
  for (const [line, rule] of [
    [`n@me ${hashOf('2')} read`, 'must begin with a name of 1 to 64 characters of A-Z a-z 0-9 . _ -'],
    [`${'n'.repeat(65)} ${hashOf('2')} read`, 'must begin with a name of 1 to 64 characters'],
    [`n\u00E4me ${hashOf('2')} read`, 'must begin with a name of 1 to 64 characters'],
    [`name shop_${'k'.repeat(43)} read`, 'must have, after the name, the SHA-256 of the key'],
    [`name ${'2'.repeat(63)} read`, 'must have, after the name, the SHA-256 of the key'],
    [`name ${'g'.repeat(64)} read`, 'must have, after the name, the SHA-256 of the key'],
    [`name ${hashOf('2')}`, 'must have at least one scope after the SHA-256'],
    [`name ${hashOf('2')} re"ad`, 'must have scopes of at most 100 printable ASCII characters'],
    [`name ${hashOf('2')} re\\ad`, 'must have scopes of at most 100 printable ASCII characters'],
    [`name ${hashOf('2')} r\u00E9ad`, 'must have scopes of at most 100 printable ASCII characters'],
    [`name ${hashOf('2')} ${'r'.repeat(101)}`, 'must have scopes of at most 100 printable ASCII characters'],
    [`name ${hashOf('2')} read read`, 'must not have the same scope twice'],
    [`good ${hashOf('2')} read`, 'must not have the same name as line 2'],
    [`name ${hashOf('a').toUpperCase()} read`, 'must not have the same SHA-256 as line 2'],
  ] as const)
    it(`with the line ${JSON.stringify(line.slice(0, 24))} is refused: ${rule}`, () => {
      const problems = problemsOf(`# comment\n${good}\n\n${line}\n`)
      assert.equal(problems.length, 1, problems.join())
      assert.ok(problems[0]?.startsWith(`line 4 ${rule}`), problems.join())
      assert.doesNotMatch(problems[0] ?? '', /shop_k|n@me|2222|gggg/)
    })

  it('says all rules that are broken, in each line', () => {
    assert.deepEqual(
      problemsOf(`good\n\n! ${hashOf('a')} read\n`).map((problem) => problem.slice(0, 20)),
      ['line 1 must have, af', 'line 1 must have at ', 'line 3 must begin wi'],
    )
  })

  it('says twenty broken rules at most, and how many more there are', () => {
    const problems = problemsOf(
      Array(30)
        .fill(`! ${hashOf('a')} read`)
        .join('\n'),
    )
    assert.equal(problems.length, 21)
    assert.match(problems[20] ?? '', /^breaks \d+ more rules$/)
  })

  it('has at most 1,000 keys', () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, n) => `key-${n} ${n.toString(16).padStart(64, '0')} read`).join('\n')
    assert.equal(parse(lines(1_000)).keys.length, 1_000)
    assert.deepEqual(problemsOf(lines(1_001)), ['must have at most 1000 keys'])
  })

  it('is UTF-8 text', () =>
    assert.deepEqual(parseKeyFile(Buffer.from([0x23, 0xff])).problems, ['must be UTF-8 text']))
})
