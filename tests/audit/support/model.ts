import { type Line, principals, pseudonymOf } from './services.ts'

/** The caller's name in the tests; undefined without credentials. */
export type Caller = string | undefined

const actorOf = (caller: Caller): Line => {
  const principal = caller === undefined ? undefined : principals[caller]
  if (principal?.kind === 'user') return { type: 'user', subject: pseudonymOf(principal.subject) }
  return principal?.kind === 'machine' ? { type: 'machine', name: principal.name } : { type: 'anonymous' }
}

export type Ending = Readonly<{
  outcome: string
  code?: string
  version_before?: number | null
  version_after?: number | null
  replayed?: true
}>

/** What the repetition of a write that was applied must lead to. */
export const replayed: Ending = { outcome: 'unchanged', replayed: true }

export const refused = (caller: Caller): Ending => ({
  outcome: 'refused',
  code: caller === undefined ? 'unauthenticated' : 'forbidden',
})

/** What the line of a write must say, without time and service. */
export const lineOf = (
  use_case: string,
  caller: Caller,
  target: Line,
  request_id: string,
  ending: Ending,
): Line => ({
  event: 'audit',
  use_case,
  actor: actorOf(caller),
  target,
  ...ending,
  request_id,
})

/** The versions of the things that the test has written. */
export const createVersions = <Id>() => {
  const versions = new Map<Id, number>()
  const before = (id: Id): number | null => versions.get(id) ?? null
  return {
    before,
    ids: (): Id[] => [...versions.keys()],
    /** What a write that is allowed, and expects this version, must lead to: with the next version, or none. */
    write: (id: Id, expected: number | undefined, kind: 'change' | 'remove' | 'create'): Ending => {
      const version_before = before(id)
      if (version_before === null && kind !== 'create')
        return { outcome: 'failed', code: 'not_found', version_before }
      if (expected !== undefined && expected !== version_before)
        return { outcome: 'failed', code: 'stale_version', version_before }
      if (kind === 'remove') versions.delete(id)
      else versions.set(id, (version_before ?? 0) + 1)
      return { outcome: 'applied', version_before, version_after: before(id) }
    },
  }
}

/** A random generator with a seed (mulberry32), from 0 to 1. */
export const randomOf = (seed: number) => {
  let state = seed
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    pick: <Value>(values: readonly Value[]): Value => values[Math.floor(next() * values.length)] as Value,
  }
}
