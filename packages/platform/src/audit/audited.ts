import type { Context } from '@shop/kernel/context.ts'
import type { AppError } from '@shop/kernel/errors.ts'
import { codeOf } from '@shop/kernel/errors.ts'
import type { Step } from '../pipeline.ts'
import type { Audit } from './audit.ts'
import type { Outcome } from './lines.ts'
import { newWriteRecord, recordingWrites, type WriteRecord } from './write-record.ts'

/** Whether the caller is known, or known to have no credentials. Not the service itself, and nobody while nobody is asked. */
const hasIdentity = ({ principal: { kind } }: Context): boolean =>
  kind !== 'system' && kind !== 'unrestricted'

const successOf = ({ before, after, isReplayed }: WriteRecord): Outcome =>
  isReplayed || (after !== null && after !== undefined && before === after) ? 'unchanged' : 'applied'

/** Returns the function that writes the line of a refusal, for `authorized`. Throws if the use case has no target. */
export const auditedRefusals = (audit: Audit) => (useCase: string) => {
  if (!audit.has(useCase)) throw new Error(`the use case ${useCase} has no audit target`)
  return (input: unknown, context: Context, { code }: AppError): void => {
    if (!hasIdentity(context)) return
    const target = audit.targetOf(useCase, input, undefined)
    audit.write({ useCase, context, target, outcome: 'refused', code })
  }
}

/** The line of one command, which is written when the command ends, or when the process ends before it. */
const beginEntry = (audit: Audit, useCase: string, input: unknown, context: Context) => {
  const record = newWriteRecord()
  const write = (outcome: Outcome, output: unknown, code?: string): void => {
    // It is gone if the process has begun to end: the line was written then.
    if (!audit.unfinished.delete(abandon)) return
    const { before, after, isReplayed } = record
    const target = audit.targetOf(useCase, input, output)
    audit.write({ useCase, context, target, outcome, code, before, after, isReplayed })
  }
  const abandon = (): void => write('unknown', undefined)
  audit.unfinished.add(abandon)
  return {
    record,
    succeeded: (output: unknown): void => write(successOf(record), output),
    failed: (error: unknown): void =>
      write(record.isUnknown ? 'unknown' : 'failed', undefined, codeOf(error)),
  }
}

/** Writes a line for each command of a caller: what has become of it. */
export const audited =
  (audit: Audit, isCommand: (name: string) => boolean): Step =>
  (use, name) => {
    if (!isCommand(name)) return use
    return async (input, context) => {
      if (!hasIdentity(context)) return use(input, context)
      const entry = beginEntry(audit, name, input, context)
      let output: Awaited<ReturnType<typeof use>>
      try {
        output = await recordingWrites(entry.record, () => use(input, context))
      } catch (error) {
        entry.failed(error)
        throw error
      }
      entry.succeeded(output)
      return output
    }
  }
