import type { RememberedWrites } from '../../domain/remembered-writes.ts'

/**
 * Forgets some of the writes that are remembered for longer than a day. Resolves with whether there may be more. Rejects with
 * `unavailable`.
 */
export const forgetOldWrites =
  ({ rememberedWrites }: Readonly<{ rememberedWrites: RememberedWrites }>) =>
  (): Promise<boolean> =>
    rememberedWrites.forgetOld()
