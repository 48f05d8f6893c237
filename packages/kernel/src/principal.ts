type Identified = Readonly<{ scopes: ReadonlySet<string> }>

/**
 * The caller.
 * - `anonymous` has no credentials.
 * - `user` is the subject of a token.
 * - `machine` is the holder of an API key. It has a name for operators, and owns nothing.
 * - `system` is the service itself, in its jobs and metrics.
 * - `unrestricted` is everybody while the service asks nobody who they are.
 */
export type Principal = Readonly<
  | { kind: 'anonymous' }
  | ({ kind: 'user'; subject: string } & Identified)
  | ({ kind: 'machine'; name: string } & Identified)
  | { kind: 'system' }
  | { kind: 'unrestricted' }
>

export const anonymous: Principal = { kind: 'anonymous' }

export const unrestricted: Principal = { kind: 'unrestricted' }

/** Whether the caller has the scope, or may do everything. */
export const hasScope = (principal: Principal, scope: string): boolean => {
  if (principal.kind === 'system' || principal.kind === 'unrestricted') return true
  return principal.kind !== 'anonymous' && principal.scopes.has(scope)
}
