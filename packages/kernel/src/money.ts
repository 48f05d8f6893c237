import { invalid } from './errors.ts'

/** An amount of money in whole cents. A bigint, so that the compiler rejects arithmetic with numbers. */
export type Cents = bigint

/** The largest amount that fits into `numeric(12,2)`. */
export const maxCents: Cents = 999_999_999_999n

/**
 * Converts a decimal number such as 14.99 to cents. Throws `invalid` if it is outside 0..9999999999.99 or has
 * more than two decimal places: it never rounds. `path` names the field in the error.
 */
export const centsFromDecimal = (amount: number, path: string): Cents => {
  const cents = Math.round(amount * 100)
  if (!(cents >= 0 && cents <= maxCents)) throw invalid({ path, message: amountRule })
  if (cents / 100 !== amount) throw invalid({ path, message: 'must have at most two decimal places' })
  return BigInt(cents)
}

/** The JSON number nearest to the amount: exact to the cent up to 70 trillion (2^46), less precise above. */
export const decimalFromCents = (cents: Cents): number => Number(cents) / 100

/** Formats the amount for SQL and for people: `14.99`. */
export const decimalText = (cents: Cents): string => {
  const digits = String(cents).padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** The rule that every amount must meet, as an error message. */
export const amountRule = `must be from 0 to ${decimalFromCents(maxCents)}`

/** Two decimal places, which may be left out or followed by zeros. */
const exactDecimal = /^(\d+)(?:\.(\d{1,2})0*)?$/

/**
 * The inverse of `decimalText`. PostgreSQL returns two decimal places for `numeric(12,2)`, but other numbers of
 * them if the column's type is changed. Throws if the string is not an amount in whole cents.
 */
export const centsFromText = (text: string): Cents => {
  if (text.at(-3) === '.') return BigInt(text.slice(0, -3) + text.slice(-2))
  const [, units, fraction = ''] = exactDecimal.exec(text) ?? []
  if (units === undefined) throw new Error(`not an amount in whole cents: ${text}`)
  return BigInt(units + fraction.padEnd(2, '0'))
}
