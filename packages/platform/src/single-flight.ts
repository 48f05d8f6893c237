import { setImmediate as turn } from 'node:timers/promises'
import { currentWaiter, onBehalfOf, type Waiter } from './request-context.ts'

type Flight<Result> = Readonly<{ passengers: Waiter[]; result: Promise<Result> }>

/**
 * Joins identical calls: while one is under way, all that come share the next one. A call is never joined to one that has
 * begun, so it sees what was written before it was made. Calls with different keys do not wait for each other.
 */
export const singleFlight = <Input, Result>(
  keyOf: (input: Input) => string,
  call: (input: Input) => Promise<Result>,
) => {
  const underWay = new Map<string, Promise<unknown>>()
  const next = new Map<string, Flight<Result>>()

  const begin = (key: string, input: Input, { passengers }: Pick<Flight<Result>, 'passengers'>) => {
    next.delete(key)
    const result = onBehalfOf(passengers, () => call(input))
    const landed = result
      .catch(() => {})
      .finally(() => {
        if (underWay.get(key) === landed) underWay.delete(key)
      })
    underWay.set(key, landed)
    return result
  }

  return (input: Input): Promise<Result> => {
    const key = keyOf(input)
    const boarding = next.get(key)
    if (boarding !== undefined) {
      boarding.passengers.push(currentWaiter())
      return boarding.result
    }
    const passengers = [currentWaiter()]
    const result = (underWay.get(key) ?? turn()).then(() => begin(key, input, { passengers }))
    next.set(key, { passengers, result })
    return result
  }
}
