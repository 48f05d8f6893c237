import { OperatorError } from './operator-error.ts'

/** A whole number from the environment. Throws, and names the variable, when it is something else. */
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
