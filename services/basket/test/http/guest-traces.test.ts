import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AppError } from '@shop/kernel/errors.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { spansOf } from '@shop/testing/observability/tracing.ts'
import { createApp } from '../../src/app.ts'
import { createGuest, unknownGuest } from '../support/guests.ts'
import { type App, openApp } from '../support/http.ts'

let app: App
before(async () => {
  app = await openApp()
})
after(() => app[Symbol.asyncDispose]())

const everyCharacter = (id: string) => Buffer.from(id).toString('hex').replaceAll(/../g, '%$&')

/** As clients and proxies write and miswrite the id. */
const spellings: Readonly<Record<string, (guest: string) => string>> = {
  plain: (guest) => guest,
  encoded: (guest) => guest.replace(':', '%3A'),
  'encoded twice': (guest) => guest.replace(':', '%253A'),
  'with an encoded letter': (guest) => guest.replace('g', '%67'),
  'encoded all over': everyCharacter,
  'with a prefix in capitals': (guest) => guest.replace('guest', 'GUEST'),
}

/** Paths with the id at every position, with a route and without. */
const pathsWith = (id: string): readonly string[] => [
  `/baskets/${id}`,
  `/baskets/${id}/items`,
  `/baskets/${id}/items/1`,
  `/baskets/1/items/${id}`,
  `/baskets/${id}/unknown`,
  `/basket/${id}/`,
  `/${id}`,
  `//${id}//x`,
  `/baskets/${id}%zz`,
  `/baskets/x%2F${id}`,
  `/x;basket=${id}/y`,
  `http://localhost/v2/${id}`,
  `/v2/x#${id}`,
  `/v2?basket=${id}`,
  `/baskets/1?basket=${id}`,
]

const decoded = (text: string): string =>
  text.replaceAll(/%(?:25)*([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

describe('the id of a guest', () => {
  for (const [spelling, spell] of Object.entries(spellings))
    test(`${spelling}, is in no log line, span or problem of any path`, async () => {
      const { logger, lines } = recordingLogger()
      const { ports } = app
      const texts: string[] = []
      let guest = ''
      const spans = await spansOf(async () => {
        await using traced = await createApp({ ports, dependencies: [] }, logger)
        guest = await createGuest(traced.http)
        for (const url of pathsWith(spell(guest)))
          for (const method of ['GET', 'DELETE', 'POST', 'TRACE'] as const) {
            const { statusCode, body } = await traced.http.inject({
              method: method as 'GET',
              url,
              headers: { referer: url, cookie: `basket=${guest}`, 'x-request-id': guest },
            })
            if (statusCode >= 400) texts.push(body)
          }
      })
      const shown = [...texts, JSON.stringify(lines), JSON.stringify(spans)]
      assert.ok(texts.length > 40 && lines.length > 50 && spans.length > 50)
      for (const text of shown) assert.ok(!decoded(text).includes(guest.slice(6)), text.slice(0, 2_000))
    })

  test('is not in the log if the store fails, and those of users are shown in problems as before', async () => {
    const { logger, lines } = recordingLogger()
    const fail = async () => {
      throw new AppError('unavailable', 'the basket store is unavailable')
    }
    const ports = { ...app.ports, baskets: { find: fail, mayRemember: fail, update: fail } }
    await using broken = await createApp({ ports, dependencies: [] }, logger)
    const guest = unknownGuest()
    const instanceFor = async (user: string) =>
      (await broken.http.inject({ method: 'GET', url: `/baskets/${user}` })).json().instance
    assert.equal(await instanceFor(guest), '/baskets/***')
    assert.equal(await instanceFor('Guest:ann'), '/baskets/Guest:ann')
    assert.equal(await instanceFor('auth0%7Cann'), '/baskets/auth0%7Cann')
    assert.ok(lines.length >= 3 && !JSON.stringify(lines).includes(guest.slice(6)))
  })
})
