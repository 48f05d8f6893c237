import { throwIfInterrupted } from './interrupt.ts'

/**
 * Takes each measurement once per round, one after the other. Each round starts with a different one, so that
 * other load on the machine affects all alike. The first round is a warm-up and does not count. Returns the
 * values of each measurement.
 */
export const measureInRounds = async <Value>(
  measurements: readonly (() => Promise<Value>)[],
  rounds: number,
): Promise<Value[][]> => {
  const values: Value[][] = measurements.map(() => [])
  for (let round = 0; round <= rounds; round++)
    for (let count = 0; count < measurements.length; count++) {
      throwIfInterrupted()
      const index = (round + count) % measurements.length
      const value = await measurements[index]?.()
      if (round > 0 && value !== undefined) values[index]?.push(value)
    }
  return values
}
