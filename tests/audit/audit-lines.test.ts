import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { runBaskets } from './support/basket-run.ts'
import { runProducts } from './support/product-run.ts'
import { type Line, openServices, principals, type Services } from './support/services.ts'

/** What all lines have beside what the test expects of each. */
const withoutCommon = ({ level, time, service, ...line }: Line): Line => {
  assert.equal(level, 'info')
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/)
  assert.match(String(service), /^(product|basket)-service$/)
  return line
}

const kindsOf = (lines: readonly Line[]) =>
  new Set(lines.map(({ use_case, outcome, code }) => [use_case, outcome, code].join(' ')))

describe('the audit lines of a run are exactly its writes and refusals', () => {
  let services: Services

  before(async () => {
    services = await openServices()
  })
  after(() => services[Symbol.asyncDispose]())

  it('of products, over HTTP and gRPC, by users, machines and callers without credentials', async () => {
    const expected = await runProducts(services, 7, 300)
    const lines = await services.folder.lines('products')
    assert.deepEqual(lines.map(withoutCommon), expected)
    const kinds = kindsOf(expected)
    // The run has had everything.
    assert.equal(kinds.size, 13, [...kinds].join('\n'))
  })

  it('of baskets, by users, machines and guests, who repeat what was applied', async () => {
    const expected = await runBaskets(services, 11, 400)
    const lines = await services.folder.lines('baskets')
    assert.deepEqual(lines.map(withoutCommon), expected)
    const kinds = kindsOf(expected)
    assert.equal(kinds.size, 33, [...kinds].join('\n'))
  })

  it('and have no subject and no id of a guest', () => {
    const text = services.folder.text('baskets') + services.folder.text('products')
    assert.doesNotMatch(text, /guest:/)
    for (const [name, { kind }] of Object.entries(principals))
      if (kind === 'user') assert.doesNotMatch(text, new RegExp(`"${name}"`))
  })
})
