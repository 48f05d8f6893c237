import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { causeOf } from '../src/failure.ts'
import { withoutUrlCredentials } from '../src/url-credentials.ts'

const marker = 'HUNTER2'

/** Text without white space, which would end the URL. */
const characters = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/\s|\p{C}/gu, ''))
/** A password as people paste it, with characters that should be escaped. */
const password = fc
  .tuple(
    fc.oneof(
      characters,
      fc.string({
        unit: fc.constantFrom('@', ':', '/', '?', '#', '%', '&', '\\', '"', "'", '[', ']', '1', 'a'),
      }),
    ),
    characters,
  )
  .map(([start, end]) => `${start}${marker}${end}`)
const host = fc.constantFrom('host', 'host:5432', '192.0.2.1:80', '[2001:db8::1]:6379', 'a:5432,b:5433')
const rest = fc.constantFrom('', '/', '/shop', '/shop?sslmode=require')
const around = fc.constantFrom(['', ''], ['cannot reach ', ' in time'], ['"url":"', '","more":true'])

describe('the user and the password of a URL', () => {
  it('are removed from the URL of a store, whatever characters they have, from text and from JSON', () => {
    const scheme = fc.constantFrom('postgres', 'postgresql', 'redis', 'rediss', 'REDIS', 'amqp+tls')
    const parts = fc.tuple(scheme, characters, password, host, rest, around)
    fc.assert(
      fc.property(parts, ([name, user, secret, address, end, [before, after]]) => {
        const url = (credentials: string) => `${name}://${credentials}@${address}${end}`
        const text = `${before} ${url(`${user}:${secret}`)} ${after}`
        assert.equal(withoutUrlCredentials(text), `${before} ${url('[Redacted]')} ${after}`)
        const line = (credentials: string) =>
          JSON.stringify({ level: 'info', msg: `${before}${url(credentials)}`, after })
        if (!before.includes('"'))
          assert.equal(withoutUrlCredentials(line(`${user}:${secret}`), 'json'), line('[Redacted]'))
      }),
      { numRuns: 1_000 },
    )
  })

  it('are removed from the URL of a page too, unless the password looks like a port and a path', () => {
    const user = characters.map((text) => text.replace(/[/?#]/g, ''))
    fc.assert(
      fc.property(user, password, host, (name, secret, address) => {
        fc.pre(!/^\d*[/?#]/.test(secret))
        const url = `https://${name}:${secret}@${address}/v1/traces`
        assert.doesNotMatch(withoutUrlCredentials(`cannot reach ${url} in time`), /HUNTER2/)
        assert.doesNotMatch(withoutUrlCredentials(JSON.stringify({ url }), 'json'), /HUNTER2/)
      }),
      { numRuns: 1_000 },
    )
  })

  for (const [text, redacted] of [
    ['postgres://u:p@ss@host/db', 'postgres://[Redacted]@host/db'],
    ['postgres://u:p/a?s#s@host/db', 'postgres://[Redacted]@host/db'],
    ['postgres://u:p%40ss@host/db', 'postgres://[Redacted]@host/db'],
    ['redis://:p@ss@host', 'redis://[Redacted]@host'],
    ['redis://token@host', 'redis://[Redacted]@host'],
    ['https://u:p/ss@host/path', 'https://[Redacted]@host/path'],
    ['http://a/b,postgres://u:p@ss@host', 'http://a/b,postgres://[Redacted]@host'],
    ['http://u:p@a http://v:q@b', 'http://[Redacted]@a http://[Redacted]@b'],
    ['file:redis://u:p@ss@host', 'file:redis://[Redacted]@host'],
  ] as const)
    it(`are removed from ${text}`, () => {
      assert.equal(withoutUrlCredentials(text), redacted)
    })

  it('are removed from a cause before it is cut, which may lose the end of the URL', () => {
    for (let length = 400; length < 500; length += 1) {
      const error = new Error(`${'x'.repeat(length)} postgres://user:${marker}@host/shop`)
      assert.doesNotMatch(causeOf(error), /HUNTER/)
    }
  })

  it('leave other URLs as they are', () => {
    for (const text of [
      'at open (file:///app/node_modules/@shop/platform/src/listen.ts:3:1)',
      'http://host:8080/@shop/platform',
      'http://host/users/ann@shop.example?to=bob@shop.example#@',
      'https://[::1]/@shop',
      'https://[::1]:443/@shop',
      'http://host:/@shop',
      'redis://host:6379/0 of ann@shop.example',
      'postgres://host/db',
      'mail ann@shop.example, see http://shop.example',
    ])
      assert.equal(withoutUrlCredentials(text), text)
    const line = '{"url":"redis://host:6379/0","user":"ann@shop.example","next":"line\\nann@shop.example"}'
    assert.equal(withoutUrlCredentials(line, 'json'), line)
  })
})
