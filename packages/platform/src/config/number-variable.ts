import { OperatorError } from './operator-error.ts'

/**
 * Reads a whole number from 1 to `max` from an environment variable. Returns `fallback` if the variable is
 * unset or empty. Throws an error that names the variable if it has any other value.
 */
export const numberVariable = <Fallback extends number | undefined>(
  name: string,
  fallback: Fallback,
  max: number,
): number | Fallback => {
  const text = process.env[name] ?? ''
  if (text === '') return fallback
  if (!/^[1-9]\d*$/.test(text) || Number(text) > max)
    throw new OperatorError(`${name} must be a whole number from 1 to ${max}.`)
  return Number(text)
}
