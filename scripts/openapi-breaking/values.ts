import { isDeepStrictEqual } from 'node:util'
import { type Document, includes, type Schema } from './document.ts'
import type { Change } from './rules.ts'

export type Direction = 'request' | 'response'

/** The sender of a request has the released schema, the receiver the current one; for a response it is the other way round. */
export type Comparison = Readonly<{
  direction: Direction
  sender: Document
  receiver: Document
  at: string
  /** Pairs of references that are being compared: recursive schemas end here. */
  open: readonly string[]
}>

type Allows = (sent: unknown, received: unknown) => boolean

const upper: Allows = (sent, received) => sent !== undefined && Number(sent) <= Number(received)
const lower: Allows = (sent, received) => sent !== undefined && Number(sent) >= Number(received)
const same: Allows = isDeepStrictEqual

/** Keyword → the type that it constrains, and whether the receiver's value allows all that the sender's does. */
const constraints: Readonly<Record<string, readonly [type: string, allows: Allows]>> = {
  maximum: ['number', upper],
  exclusiveMaximum: ['number', upper],
  minimum: ['number', lower],
  exclusiveMinimum: ['number', lower],
  multipleOf: ['number', same],
  maxLength: ['string', upper],
  minLength: ['string', lower],
  pattern: ['string', same],
  format: ['any', same],
  maxItems: ['array', upper],
  minItems: ['array', lower],
  uniqueItems: ['array', same],
  maxProperties: ['object', upper],
  minProperties: ['object', lower],
}

const compared = ['$ref', 'type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items']
const annotations = ['title', 'description', 'default', 'example', 'examples', 'deprecated', '$comment']
const known = new Set([...Object.keys(constraints), ...compared, ...annotations])

const nameOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value

/** The values that a schema lists; undefined when it lists none. */
const valuesOf = (schema: Schema): readonly unknown[] | undefined =>
  'const' in schema ? [schema.const] : schema.enum

/** Undefined stands for every type. */
export const typesOf = (schema: Schema): readonly string[] | undefined =>
  schema.type === undefined ? valuesOf(schema)?.map(nameOf) : [schema.type].flat()

export const mayBe = (schema: Schema, type: string): boolean => {
  const types = typesOf(schema)
  return (
    types === undefined ||
    type === 'any' ||
    types.includes(type) ||
    (type === 'number' && types.includes('integer'))
  )
}

const describe = (value: unknown): string => (value === undefined ? 'not set' : JSON.stringify(value))

export const changed = (
  { direction, at }: Comparison,
  keyword: string,
  sent: unknown,
  received: unknown,
): Change => {
  const [was, is] = direction === 'request' ? [sent, received] : [received, sent]
  return {
    what: `${at}: ${keyword} was ${describe(was)}, is now ${describe(is)}`,
    rule: direction === 'request' ? 'request-narrowed' : 'response-widened',
  }
}

export const compareTypes = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] => {
  const [sent, received] = [typesOf(sender), typesOf(receiver)]
  if (received === undefined) return []
  const fits = sent?.every(
    (type) => received.includes(type) || (type === 'integer' && received.includes('number')),
  )
  return fits ? [] : [changed(comparison, 'type', sent, received)]
}

const compareLists = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] => {
  const [sent, received] = [valuesOf(sender), valuesOf(receiver)]
  if (received === undefined || sent?.every((value) => includes(received, value))) return []
  return [changed(comparison, 'enum', sent, received)]
}

const compareConstraints = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] =>
  Object.entries(constraints)
    .filter(([keyword, [type, allows]]) => {
      if (receiver[keyword] === undefined || !mayBe(sender, type) || valuesOf(sender) !== undefined)
        return false
      return !allows(sender[keyword], receiver[keyword])
    })
    .map(([keyword]) => changed(comparison, keyword, sender[keyword], receiver[keyword]))

const compareUnknown = ({ at }: Comparison, sender: Schema, receiver: Schema): Change[] =>
  [...new Set([...Object.keys(sender), ...Object.keys(receiver)])]
    .filter((keyword) => !known.has(keyword) && !isDeepStrictEqual(sender[keyword], receiver[keyword]))
    .map((keyword) => ({ what: `${at}: ${keyword} changed`, rule: 'not-comparable' }))

/** What a value may be on its own: one of a list, within limits, of a form. */
export const compareValues = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] =>
  [compareLists, compareConstraints, compareUnknown].flatMap((compare) =>
    compare(comparison, sender, receiver),
  )
