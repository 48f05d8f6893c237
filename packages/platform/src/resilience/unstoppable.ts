import type { Step } from '../pipeline.ts'
import { requestContext } from '../request-context.ts'

/**
 * A command, once begun, runs to its end, whether or not its caller still waits: nothing below it sees the caller's signal.
 * `isCommand` tells by name.
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
