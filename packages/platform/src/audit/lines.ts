import type { Target } from '@shop/kernel/audit.ts'
import type { Context } from '@shop/kernel/context.ts'
import { timestamp } from '../logging/logger.ts'

/** `applied` and `unchanged` are successes. After `unknown`, the write may or may not have taken effect. */
export type Outcome = 'applied' | 'unchanged' | 'failed' | 'refused' | 'unknown'

/** What a line says. Undefined members are left out. */
export type Entry = Readonly<{
  useCase: string
  context: Context
  target: Target | undefined
  outcome: Outcome
  /** The code of the error. */
  code?: string | undefined
  before?: number | null | undefined
  after?: number | null | undefined
  /** Whether an earlier request with the same idempotency key has done the write. */
  isReplayed?: boolean
}>

/** Returns the pseudonym of a text; undefined without a key. */
export type Pseudonym = (text: string) => string | undefined

const actorOf = ({ principal }: Context, pseudonym: Pseudonym) => {
  if (principal.kind === 'user') return { type: 'user', subject: pseudonym(principal.subject) }
  return principal.kind === 'machine' ? { type: 'machine', name: principal.name } : { type: principal.kind }
}

const targetOf = ({ type, id, owner }: Target, pseudonym: Pseudonym) => ({
  type,
  id,
  owner: owner === undefined ? undefined : pseudonym(owner),
})

/** Returns functions that make lines of JSON, in any format of the log: they are for programs. */
export const createLines = (service: string, pseudonym: Pseudonym) => {
  const serviceField = `"service":${JSON.stringify(service)}`
  const lineOf = (fields: object): string =>
    `{"level":"info"${timestamp()},${serviceField},${JSON.stringify(fields).slice(1)}\n`
  return {
    ofEntry: ({ useCase, context, target, outcome, code, before, after, isReplayed }: Entry): string =>
      lineOf({
        event: 'audit',
        use_case: useCase,
        actor: actorOf(context, pseudonym),
        target: target && targetOf(target, pseudonym),
        outcome,
        replayed: isReplayed || undefined,
        code,
        version_before: before,
        version_after: after,
        request_id: context.requestId,
      }),
    /** Lines that were left out because their caller had too many. */
    ofLeftOut: (useCase: string, outcome: string, count: number): string =>
      lineOf({ event: 'audit_sampled', use_case: useCase, outcome, count }),
    /** Lines that could not be written. */
    ofLost: (count: number): string => lineOf({ event: 'audit_lost', count }),
  }
}

export type Lines = ReturnType<typeof createLines>
