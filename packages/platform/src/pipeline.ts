import type { UseCase, UseCasesOf } from '@shop/kernel/use-case.ts'

/**
 * Wraps a use case with behavior that does not depend on the transport. A step gets the name of the use case,
 * and the input and context of every call. Steps are composed once, when the service is assembled; a step
 * that does not apply to a use case returns it unchanged.
 */
export type Step = <Input, Output>(use: UseCase<Input, Output>, name: string) => UseCase<Input, Output>

/** Wraps each use case in the steps; the first step is the outermost. */
export const pipeline = <Catalog extends Readonly<Record<string, UseCase<never, unknown>>>>(
  useCases: Catalog,
  steps: readonly Step[],
): UseCasesOf<Catalog> =>
  // The result has the same keys and signatures, because a step keeps both.
  Object.fromEntries(
    Object.entries(useCases).map(([name, useCase]) => [
      name,
      steps.reduceRight((inner, step) => step(inner, name), useCase),
    ]),
  ) as UseCasesOf<Catalog>
