import type { Context } from './context.ts'

/** Something that a service can do. */
export type UseCase<Input, Output> = (input: Input, context: Context) => Promise<Output>

/** Use cases as their callers see them: each takes its input and a context, whether or not it looks at both. */
export type UseCasesOf<Catalog> = {
  readonly [Name in keyof Catalog]: Catalog[Name] extends (
    input: infer Input,
    context: Context,
  ) => Promise<infer Output>
    ? UseCase<Input, Output>
    : never
}
