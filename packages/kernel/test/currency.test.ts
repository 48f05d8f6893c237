import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { currencyProblem, defaultCurrency } from '@shop/kernel/currency.ts'

const rule = 'must be an ISO 4217 code of a currency with two decimal places, such as EUR or USD'

describe('a currency', () => {
  it('is one of ISO 4217 with two decimal places, also if people use fewer', () => {
    for (const code of [defaultCurrency, 'USD', 'CHF', 'GBP', 'HUF', 'IDR', 'PKR', 'RSD', 'XCG', 'ZWG'])
      assert.equal(currencyProblem(code), undefined, code)
  })

  it('is not one with other decimal places, and the problem says how many it has', () => {
    for (const [code, places] of [
      ['JPY', 'none'],
      ['ISK', 'none'],
      ['UGX', 'none'],
      ['KWD', '3'],
      ['IQD', '3'],
    ] as const)
      assert.equal(currencyProblem(code), `${rule}: ${code} has ${places}`)
  })

  it('is no other text, and no code of a fund, a metal or a former currency', () => {
    for (const code of ['', 'eur', 'EURO', 'EU', ' EUR', 'EUR\n', '€', 'EUR USD', 'ABC', 'constructor'])
      assert.equal(currencyProblem(code), rule, code)
    for (const code of ['CHW', 'CLF', 'XAU', 'XXX', 'DEM', 'HRK', 'BGN'])
      assert.equal(currencyProblem(code), rule, code)
  })
})
