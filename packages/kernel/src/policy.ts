import { AppError } from './errors.ts'
import { hasScope, type Principal } from './principal.ts'

/** Whom a rule admits at most: what the documentation of an operation says. */
export type Access =
  | 'anybody'
  | 'system'
  | Readonly<{ scope: string }>
  /** The owner of the thing, and callers with this scope. */
  | Readonly<{ ownerOr: string }>

/** Who may call a use case. */
export type Rule<Input> = Readonly<{
  access: Access
  /** The error for a caller who may not: `unauthenticated` without credentials, otherwise `forbidden`. */
  refusal: (principal: Principal, input: Input) => AppError | undefined
}>

/** The rules of all use cases of a service. A use case without a rule does not compile. */
export type Policy<UseCases> = {
  readonly [Name in keyof UseCases]: UseCases[Name] extends (input: infer Input, ...rest: never) => unknown
    ? Rule<Input>
    : never
}

/** The error for a caller without credentials. */
export const unauthenticated = (message: string): AppError => new AppError('unauthenticated', message)

/** The error for a caller who may not do this. `scope` is the scope that would allow it. */
export const forbidden = (message: string, scope?: string): AppError =>
  new AppError('forbidden', message, scope === undefined ? {} : { details: { required_scope: scope } })

/** Everybody may. */
export const anybody: Rule<unknown> = { access: 'anybody', refusal: () => undefined }

/** Only the process itself may, in its jobs and metrics. */
export const internal: Rule<unknown> = {
  access: 'system',
  refusal: ({ kind }) => (kind === 'system' ? undefined : forbidden('only the service itself may do this')),
}

/** Callers with the scope may. */
export const scope = (name: string): Rule<unknown> => ({
  access: { scope: name },
  refusal: (principal) => {
    if (hasScope(principal, name)) return undefined
    return principal.kind === 'anonymous'
      ? unauthenticated(`this needs credentials with the scope ${name}`)
      : forbidden(`this needs the scope ${name}`, name)
  },
})
