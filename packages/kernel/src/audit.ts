/** The thing that a use case is about, for the audit log. */
export type Target = Readonly<{
  /** What kind of thing it is. */
  type: string
  /** Not personal: the audit log has it as it is. */
  id?: number | string | undefined
  /** Whose thing it is. Personal: the audit log has only a keyed hash of it. */
  owner?: string | undefined
}>

/** Names the thing. The output is undefined if the use case was refused or has failed. */
export type TargetOf<Input, Output> = (input: Input, output: Output | undefined) => Target | undefined

/** The things of all use cases of a service. A use case without an entry does not compile. */
export type Targets<UseCases> = {
  readonly [Name in keyof UseCases]: UseCases[Name] extends (
    input: infer Input,
    ...rest: never
  ) => Promise<infer Output>
    ? TargetOf<Input, Output>
    : never
}

/** For use cases that are about no single thing. */
export const noTarget = (): undefined => undefined
