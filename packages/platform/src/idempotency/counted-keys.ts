import type { Context } from '@shop/kernel/context.ts'
import { codeOf } from '@shop/kernel/errors.ts'
import { recordReplay } from '../audit/write-record.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Step } from '../pipeline.ts'
import { KeyedContext } from './keyed-context.ts'

/** Counts the writes whose idempotency key was used before: replays, which the audit log shows too, and keys of another request. */
export const countedKeys = (
  { idempotencyKeys }: Pick<Metrics, 'idempotencyKeys'>,
  isCommand: (name: string) => boolean,
): Step => {
  for (const outcome of ['replayed', 'reused']) idempotencyKeys.inc({ outcome }, 0)
  return (use, name) => {
    if (!isCommand(name)) return use
    const counting = async (
      input: Parameters<typeof use>[0],
      context: Context,
      key: NonNullable<Context['idempotency']>,
    ) => {
      const markReplayed = (): void => {
        idempotencyKeys.inc({ outcome: 'replayed' })
        recordReplay()
        key.markReplayed()
      }
      try {
        return await use(input, new KeyedContext(context, { ...key, markReplayed }))
      } catch (error) {
        if (codeOf(error) === 'idempotency_key_reused') idempotencyKeys.inc({ outcome: 'reused' })
        throw error
      }
    }
    return (input, context) => {
      const { idempotency } = context
      return idempotency === undefined ? use(input, context) : counting(input, context, idempotency)
    }
  }
}
