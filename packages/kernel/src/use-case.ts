import type { Context } from './context.ts'

/** An operation that a service offers. */
export type UseCase<Input, Output> = (input: Input, context: Context) => Promise<Output>

/** Use cases as their callers see them: each takes an input and a context, even if it declares neither. */
export type UseCasesOf<Catalog> = {
  readonly [Name in keyof Catalog]: Catalog[Name] extends (
    input: infer Input,
    context: Context,
  ) => Promise<infer Output>
    ? UseCase<Input, Output>
    : never
}
