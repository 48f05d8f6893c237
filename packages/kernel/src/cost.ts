/** What an input costs of the rate limit of its caller, in points: a whole number, at least 1. */
export type Cost<Input> = (input: Input) => number

/** The costs of all use cases of a service. A use case without a cost does not compile. */
export type Costs<UseCases> = {
  readonly [Name in keyof UseCases]: UseCases[Name] extends (input: infer Input, ...rest: never) => unknown
    ? Cost<Input>
    : never
}

/** The cost of what works on one thing. */
export const single: Cost<unknown> = () => 1

/** The cost of what works on up to this many things: one point, and one for each hundred. */
export const costOfMany = (count: number): number => 1 + Math.floor(count / 100)
