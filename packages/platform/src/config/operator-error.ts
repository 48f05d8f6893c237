/** Something that the person who runs the program must put right: its message says what, and is shown without a stack. */
export class OperatorError extends Error {
  readonly exitCode: number = 1
}
