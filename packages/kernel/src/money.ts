import { invalid } from './errors.ts'

/** An amount of money in whole cents. A bigint, so that the compiler refuses to mix it with fractions. */
export type Cents = bigint

/** What `numeric(12,2)` holds. */
export const maxCents: Cents = 999_999_999_999n

/**
 * The amount that a decimal number such as 14.99 stands for. `path` names the field in the error.
 * Throws `invalid` when it is outside 0..9999999999.99 or has more than two decimals: it never rounds.
 */
export const centsFromDecimal = (amount: number, path: string): Cents => {
  const cents = Math.round(amount * 100)
  if (!(cents >= 0 && cents <= maxCents)) throw invalid({ path, message: amountRule })
  if (cents / 100 !== amount) throw invalid({ path, message: 'must have at most two decimals' })
  return BigInt(cents)
}

/** The JSON number nearest to the amount: exact up to 90 billion, within a double's precision above. */
export const decimalFromCents = (cents: Cents): number => Number(cents) / 100

/** As SQL and people write it: `14.99`. */
export const decimalText = (cents: Cents): string => {
  const digits = String(cents).padStart(3, '0')
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`
}

/** What every amount keeps to. */
export const amountRule = `must be from 0 to ${decimalFromCents(maxCents)}`

/** The inverse of `decimalText`, for texts that are known to have two decimals, as `numeric(12,2)` gives them. */
export const centsFromText = (text: string): Cents => BigInt(text.replace('.', ''))
