import { type CustomTypesConfig, types } from 'pg'

const { TIMESTAMPTZ } = types.builtins
const parseByDriver: (text: string) => unknown = types.getTypeParser(TIMESTAMPTZ)

/**
 * Parses a timestamp with `Date`, four times as fast as the driver. The driver parses what `Date` cannot, and
 * years below 100, which `Date` misreads.
 */
const parseTimestamp = (text: string): unknown => {
  const time = new Date(text)
  return text.startsWith('00') || Number.isNaN(time.getTime()) ? parseByDriver(text) : time
}

/** The driver's type parsers, with a faster one for timestamps. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: (type, format) =>
    type === TIMESTAMPTZ && format !== 'binary' ? parseTimestamp : types.getTypeParser(type, format),
}
