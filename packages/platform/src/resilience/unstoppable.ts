import type { Step } from '../pipeline.ts'
import { requestContext } from '../request-context.ts'

/**
 * Runs every command to its end, even if its caller no longer waits, by hiding the caller's signal from it.
 * `isCommand` decides by the name of the use case.
 */
export const unstoppable =
  (isCommand: (name: string) => boolean): Step =>
  (use, name) => {
    if (!isCommand(name)) return use
    return (input, context) => {
      const run = () => use(input, { ...context, signal: undefined })
      const request = requestContext.getStore()
      return request === undefined ? run() : requestContext.run({ ...request, signal: undefined }, run)
    }
  }
