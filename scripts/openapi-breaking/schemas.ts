import { type Document, resolve, type Schema } from './document.ts'
import type { Change } from './rules.ts'
import {
  type Comparison,
  changed,
  compareTypes,
  compareValues,
  type Direction,
  mayBe,
  typesOf,
} from './values.ts'

/** Returns the schema of the named member: that of the property, otherwise that of a map's values. */
const memberOf = ({ properties, additionalProperties }: Schema, name: string): Schema | undefined =>
  properties?.[name] ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined)

const compareRequired = ({ direction, at }: Comparison, sender: Schema, receiver: Schema): Change[] =>
  (receiver.required ?? [])
    .filter((name) => !sender.required?.includes(name))
    .map((name) =>
      direction === 'request'
        ? { what: `${at}/${name}: is now required`, rule: 'request-property-required' }
        : { what: `${at}/${name}: was required, may now be absent`, rule: 'response-property-optional' },
    )

const compareMembers = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] => {
  const { direction, at } = comparison
  const names = new Set(Object.keys({ ...sender.properties, ...receiver.properties }))
  return [...names].flatMap((name): Change[] => {
    const [sent, received] = [memberOf(sender, name), memberOf(receiver, name)]
    const member = `${at}/${name}`
    if (sent && received) return compareSchemas({ ...comparison, at: member }, sent, received)
    // Clients ignore members of a response that they do not know.
    return sent && direction === 'request'
      ? [{ what: `${member}: removed`, rule: 'request-property-removed' }]
      : []
  })
}

const compareAdditional = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] => {
  const { additionalProperties: sent = true } = sender
  const { additionalProperties: received = true } = receiver
  if (typeof received === 'object') {
    if (sent === false) return []
    return compareSchemas({ ...comparison, at: `${comparison.at}/*` }, sent === true ? {} : sent, received)
  }
  const isNarrowed = !received && sent !== false && comparison.direction === 'request'
  return isNarrowed ? [changed(comparison, 'additionalProperties', sent, received)] : []
}

const compareObjects = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] =>
  [compareRequired, compareMembers, compareAdditional].flatMap((compareAspect) =>
    compareAspect(comparison, sender, receiver),
  )

/** Reports where the sender's schema allows values that the receiver's schema does not allow. */
const compareSchemas = (comparison: Comparison, sent: Schema, received: Schema): Change[] => {
  const pair = `${sent.$ref} ${received.$ref}`
  if (sent.$ref !== undefined && comparison.open.includes(pair)) return []
  const within = { ...comparison, open: [...comparison.open, pair] }
  const [sender, receiver] = [resolve(comparison.sender, sent), resolve(comparison.receiver, received)]
  const types = compareTypes(within, sender, receiver)
  // If the types have nothing in common, all other differences follow from that.
  if (types.length > 0 && typesOf(sender)?.every((type) => !mayBe(receiver, type))) return types
  return [
    ...types,
    ...compareValues(within, sender, receiver),
    ...(mayBe(sender, 'object') && mayBe(receiver, 'object') ? compareObjects(within, sender, receiver) : []),
    ...(mayBe(sender, 'array') && receiver.items
      ? compareSchemas({ ...within, at: `${within.at}/-` }, sender.items ?? {}, receiver.items)
      : []),
  ]
}

export type Documents = Readonly<{ released: Document; current: Document }>

/** What breaks a client: a request that is no longer accepted, or a response that the release excludes. */
export const compare = (
  { released, current }: Documents,
  direction: Direction,
  at: string,
  was: Schema = {},
  is: Schema = {},
): Change[] =>
  direction === 'request'
    ? compareSchemas({ direction, sender: released, receiver: current, at, open: [] }, was, is)
    : compareSchemas({ direction, sender: current, receiver: released, at, open: [] }, is, was)
