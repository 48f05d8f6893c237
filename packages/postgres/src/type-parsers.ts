import { type CustomTypesConfig, types } from 'pg'

const { INT8, TIMESTAMPTZ } = types.builtins
const parseByDriver: (text: string) => unknown = types.getTypeParser(TIMESTAMPTZ)

/**
 * Parses a timestamp with `Date`, four times as fast as the driver. The driver parses what `Date` cannot, and
 * years below 100, which `Date` misreads.
 */
const parseTimestamp = (text: string): unknown => {
  const time = new Date(text)
  return text.startsWith('00') || Number.isNaN(time.getTime()) ? parseByDriver(text) : time
}

/**
 * Parses a bigint as PGlite does: as a number if it is exact, otherwise as a BigInt. The driver returns a
 * string, so an id would not equal itself after its column has become a bigint.
 */
const parseBigint = (text: string): number | bigint => {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

const parsers = new Map<number, (text: string) => unknown>([
  [TIMESTAMPTZ, parseTimestamp],
  [INT8, parseBigint],
])

/** The driver's type parsers, except those of timestamps and bigints. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: (type, format) =>
    (format === 'binary' ? undefined : parsers.get(type)) ?? types.getTypeParser(type, format),
}
