import { inspect } from 'node:util'
import { kindOf } from '@shop/kernel/errors.ts'
import { stdSerializers } from 'pino'
import { OperatorError } from './config/operator-error.ts'
import { withoutUrlCredentials } from './url-credentials.ts'

const maxCauseDepth = 5
const maxCauseLength = 500

/** Only the type of an object that is not an Error: its members may be secret, and the line is not redacted. */
const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return Object(error) === error ? 'a thrown object' : inspect(error)
  // An AggregateError, such as of a host with two addresses, may have only a code.
  return error.message || ('code' in error ? String(error.code) : error.name)
}

/** The messages of an error and of its causes, in one line. A cause whose message is part of the one before adds nothing. */
export const causeOf = (error: unknown): string => {
  const messages = [messageOf(error)]
  let current = error
  for (let depth = 1; depth < maxCauseDepth; depth++) {
    if (!(current instanceof Error) || current.cause === undefined) break
    current = current.cause
    const message = messageOf(current)
    if (!messages.at(-1)?.includes(message)) messages.push(message)
  }
  // Before the text is cut: without its end, a URL could not be recognized.
  return withoutUrlCredentials(messages.join(': ')).slice(0, maxCauseLength)
}

/** The causes of an outage were thrown inside of libraries: their stacks would make up 3 KB of a line of 4.6 KB. */
const removeStacksOfCauses = (serialized: unknown): void => {
  if (!(serialized instanceof Object && 'cause' in serialized && serialized.cause instanceof Object)) return
  Reflect.deleteProperty(serialized.cause, 'stack')
  removeStacksOfCauses(serialized.cause)
}

/**
 * An error in the `err` field of a log line that is no bug but the effect of an outage. JSON lines have its stack, without
 * those of its causes. Text lines have it only at level `trace`, because it would make a terminal unreadable.
 */
export class ExpectedFailure {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }

  toJSON(): unknown {
    const serialized = serializeError(this.error)
    removeStacksOfCauses(serialized)
    return serialized
  }
}

const serializeError = (error: unknown): unknown =>
  error instanceof Error ? stdSerializers.errWithCause(error) : error

/** The serializer of the `err` field. Without `stacks`, expected failures are left out: their `cause` field has the messages. */
export const errorSerializer =
  ({ stacks }: Readonly<{ stacks: boolean }>) =>
  (value: unknown): unknown => {
    if (!(value instanceof ExpectedFailure)) return serializeError(value)
    return stacks ? value.toJSON() : undefined
  }

/** An error that is no bug: a dependency is down or too slow, or an operator must act. */
const isExpected = (error: unknown): boolean => kindOf(error) !== 'internal' || error instanceof OperatorError

/** The fields of a log line for a failure that is known to be no bug. */
export const expectedFailure = (error: unknown) => ({
  cause: causeOf(error),
  err: new ExpectedFailure(error),
})

/** The fields of a log line for a failure. */
export const failureFields = (error: unknown): Readonly<{ cause: string; err: unknown }> =>
  isExpected(error) ? expectedFailure(error) : { cause: causeOf(error), err: error }
