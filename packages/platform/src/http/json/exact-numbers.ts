/**
 * Matches if a number of the JSON text may be rounded: with 15 digits and an exponent of two digits, none is. Digits inside
 * strings match too. Takes about 30 ns for a body of 30 bytes.
 */
const maybeRounded = /\d(?:[\d.]{15}|[eE][+-]?\d{3})/

/** The strings and the numbers of a valid JSON text. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g

/** Returns the absolute value of a decimal number in a form that is the same for equal numbers, however large. */
const normalForm = (text: string): string => {
  const [, units = '', fraction = '', exponent = '0'] =
    /^-?0*(\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  const digits = (units + fraction).replace(/^0+/, '')
  let length = digits.length
  // Not a pattern such as /0+$/: its time is quadratic in the number of zeros.
  while (digits[length - 1] === '0') length -= 1
  const power = Number(exponent) - fraction.length + digits.length - length
  return length === 0 ? '0' : `${digits.slice(0, length)}e${power}`
}

const isExact = (number: string): boolean => {
  const value = Number(number)
  return Number.isFinite(value) && normalForm(String(value)) === normalForm(number)
}

/**
 * Replaces each number of a valid JSON text that would be read as another decimal number, such as 1e-400 (as 0), by one that
 * is read as infinity: no schema accepts infinity as a number. Members that no schema knows stay without effect.
 */
export const withoutRounding = (json: string): string =>
  maybeRounded.test(json)
    ? json.replace(tokens, (token) => (token.startsWith('"') || isExact(token) ? token : '1e999'))
    : json
