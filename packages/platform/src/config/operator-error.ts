/** A problem that the operator must fix. The message says how, and is printed without a stack trace. */
export class OperatorError extends Error {
  readonly exitCode: number = 1
}
