/** The caller: `anonymous` has no credentials; `system` is the service itself, in its jobs and metrics. */
export type Principal = Readonly<{ kind: 'anonymous' } | { kind: 'system' }>

export const anonymous: Principal = { kind: 'anonymous' }
