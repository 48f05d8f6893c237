import type { UseCase, UseCasesOf } from '@shop/kernel/use-case.ts'

/**
 * Something that is true of every use case, over every transport: it sees the name, and each input and context. Steps are
 * composed once, when the service is put together; one that has nothing to do for a use case returns it as it is.
 */
export type Step = <Input, Output>(use: UseCase<Input, Output>, name: string) => UseCase<Input, Output>

/** The use cases with the steps around each, the first step outermost. */
export const pipeline = <Catalog extends Readonly<Record<string, UseCase<never, unknown>>>>(
  useCases: Catalog,
  steps: readonly Step[],
): UseCasesOf<Catalog> =>
  // Same keys and same signatures: a step keeps both.
  Object.fromEntries(
    Object.entries(useCases).map(([name, useCase]) => [
      name,
      steps.reduceRight((inner, step) => step(inner, name), useCase),
    ]),
  ) as UseCasesOf<Catalog>
