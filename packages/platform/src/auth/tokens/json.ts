/** Parses a JSON object. Throws an error without the text, which may be secret. `name` is what it is called in the error. */
export const parseObject = (name: string, text: string): Readonly<Record<string, unknown>> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(`${name} is not JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${name} is not a JSON object`)
  return { ...value }
}
