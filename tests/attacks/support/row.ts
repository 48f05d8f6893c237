import type { Attacker } from './form.ts'
import type { Shop } from './shop.ts'

/** An attack, which also asserts what is true of it alone. Resolves with what it has counted, for the report. */
export type Attack<Place extends Shop = Shop> = Readonly<{
  name: string
  run: (shop: Place, from: Attacker) => Promise<string>
}>

/**
 * Attacks of one kind. The short form lets them loose together, unless they are `inSequence`, and the long form one after
 * the other.
 */
export type Row<Place extends Shop = Shop> = Readonly<{
  name: string
  attacks: readonly Attack<Place>[]
  inSequence?: boolean
  /** Without the innocent client, the attack causes at most so many statements of the product service. */
  maxStatements?: number
  /** The limits that must refuse something. */
  refuses?: readonly string[]
  /** Whether it also harms the innocent client, as intended. */
  harmful?: boolean
  /** Whether its attacks may run on the same services in the long form. */
  shared?: boolean
}>
