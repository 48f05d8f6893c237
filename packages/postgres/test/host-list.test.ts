import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hostsIn, splitUrl } from '../src/hosts/host-list.ts'

const port = 5_440

describe('a list of hosts', () => {
  for (const [text, expected] of [
    ['a', [['a', port]]],
    ['a:5433', [['a', 5_433]]],
    [
      'a,b:5433,10.0.0.1',
      [
        ['a', port],
        ['b', 5_433],
        ['10.0.0.1', port],
      ],
    ],
    ['db-1.example', [['db-1.example', port]]],
    ['::1', [['::1', port]]],
    ['[::1]', [['::1', port]]],
    [
      '[::1]:5433,b,fe80::2',
      [
        ['::1', 5_433],
        ['b', port],
        ['fe80::2', port],
      ],
    ],
    [
      '/var/run/postgresql,b',
      [
        ['/var/run/postgresql', port],
        ['b', port],
      ],
    ],
    [Array(16).fill('a:65535').join(','), Array.from({ length: 16 }, () => ['a', 65_535] as const)],
  ] as const)
    it(`is read from ${text}`, () => {
      assert.deepEqual(
        hostsIn(text, port),
        expected.map(([host, hostPort]) => ({ host, port: hostPort })),
      )
    })

  for (const text of [
    '',
    ',',
    'a,',
    ',a',
    'a,,b',
    'a, b',
    'a:',
    'a:0',
    'a:65536',
    'a:05432',
    'a:5432:5433',
    'a:b',
    '[::1',
    '::1]:5432',
    '[]:5432',
    'a/b',
    'user@a',
    Array(17).fill('a').join(','),
  ])
    it(`is not read from '${text}'`, () => assert.equal(hostsIn(text, port), undefined))
})

describe('a URL', () => {
  it('with several hosts is split', () => {
    assert.deepEqual(splitUrl('postgres://u:p,a@s@a:5433,[::1]:5434,b/db?x=1,2#y'), {
      url: 'postgres://u:p,a@s@a:5433/db?x=1,2#y',
      hosts: [
        { host: 'a', port: 5_433 },
        { host: '::1', port: 5_434 },
        { host: 'b', port: 5_432 },
      ],
    })
    assert.deepEqual(splitUrl('postgresql://a,b/db')?.url, 'postgresql://a/db')
  })

  it('with one host is not', () => {
    for (const url of [
      'postgres://u:p,q@a:5432/db',
      'postgres://a/d,b',
      'postgres://a/db?options=1,2',
      'a,b',
      '',
    ])
      assert.equal(splitUrl(url), undefined)
  })

  it('has no hosts if the list violates the rule', () => {
    for (const url of ['postgres://a:0,b/db', 'postgres://u@a,/db', 'postgres://,a/db', 'postgres://a, b/db'])
      assert.equal(splitUrl(url)?.hosts, undefined, url)
  })
})
