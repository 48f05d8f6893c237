import { Type } from 'typebox'

/** Points of one caller in a minute. */
const rateLimit = Type.Optional(
  Type.String({
    pattern: '^(off|[1-9][0-9]{0,8})$',
    description: 'off, or a whole number from 1 to 999999999',
  }),
)

export const rateVariables = { RATE_LIMIT_READS: rateLimit, RATE_LIMIT_WRITES: rateLimit } as const
