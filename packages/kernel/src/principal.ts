/** Who asks: somebody who has not said who they are, or the service itself, for its jobs and its metrics. */
export type Principal = Readonly<{ kind: 'anonymous' } | { kind: 'system' }>

export const anonymous: Principal = { kind: 'anonymous' }
