import type { Step } from '../pipeline.ts'
import { requestContext } from '../request-context.ts'

/**
 * Runs every command to its end, even if its caller no longer waits: the command does not get the caller's
 * signal. `isCommand` returns whether the use case of this name is a command.
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
