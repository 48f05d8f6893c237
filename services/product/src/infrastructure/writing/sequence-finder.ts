import { sql } from 'kysely'
import { idSequence } from '../postgres-product-ids.ts'
import type { Database } from '../products-table.ts'

const recheckMs = 60_000

type UsableSequence = Readonly<{ sequence: string | null; role: string; isUsable: boolean }>

const readSequence = async (database: Database): Promise<UsableSequence | undefined> => {
  const { rows } = await sql<UsableSequence>`
    select sequence::text as sequence, current_user as role,
      has_sequence_privilege(sequence, 'usage, update') as "isUsable"
    from (select ${idSequence} as sequence) as used
  `.execute(database)
  return rows[0]
}

/**
 * Returns a function `find`, which resolves with the name of the sequence that assigns the ids, or with undefined if there is
 * none or the role may not use it.
 * An insert that takes the ids itself needs a right on the sequence, which one that leaves them to an identity column does
 * not. The answer is kept for a minute, or until `forget` is called. `warn` is called once, with the right to grant.
 */
export const sequenceFinder = (database: Database, warn: (message: string) => void) => {
  let found: Promise<string | undefined> | undefined
  let until = 0
  let isWarned = false
  const read = async (): Promise<string | undefined> => {
    const { sequence, role, isUsable } = (await readSequence(database)) ?? {}
    if (isUsable === true) return sequence ?? undefined
    if (isUsable === false && !isWarned) {
      isWarned = true
      warn(
        `new products are stored one by one: the role ${role} may not use the sequence ${sequence}, grant it usage on the sequence`,
      )
    }
    return undefined
  }
  const forget = () => {
    found = undefined
  }
  return {
    find: (): Promise<string | undefined> => {
      if (found === undefined || performance.now() > until) {
        until = performance.now() + recheckMs
        found = read()
        // After an error, the next call asks again.
        found.catch(forget)
      }
      return found
    },
    forget,
  }
}

export type SequenceFinder = ReturnType<typeof sequenceFinder>
