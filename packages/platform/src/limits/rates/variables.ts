import { Type } from 'typebox'
import type { RatesConfig } from './request-rates.ts'

/** Points of one caller in a minute. */
const rateLimit = Type.Optional(
  Type.String({
    pattern: '^(off|[1-9][0-9]{0,8})$',
    description: 'off, or a whole number from 1 to 999999999',
  }),
)

export const rateVariables = { RATE_LIMIT_READS: rateLimit, RATE_LIMIT_WRITES: rateLimit } as const

type Variables = Readonly<{ ENVIRONMENT: string; RATE_LIMIT_READS?: string; RATE_LIMIT_WRITES?: string }>

/** High enough for the shoppers of a large office behind one address, and a fraction of what a process can serve. */
const defaultRates = { reads: 60_000, writes: 6_000 } as const

/** How much one caller may use. In development, nobody is limited by default. */
export const ratesConfigOf = ({ ENVIRONMENT, ...variables }: Variables): RatesConfig => {
  const rateOf = (text: string | undefined, usual: number): number | undefined => {
    if (text === undefined) return ENVIRONMENT === 'development' ? undefined : usual
    return text === 'off' ? undefined : Number(text)
  }
  return {
    reads: rateOf(variables.RATE_LIMIT_READS, defaultRates.reads),
    writes: rateOf(variables.RATE_LIMIT_WRITES, defaultRates.writes),
  }
}
