import { isDeepStrictEqual } from 'node:util'
import { type Document, includes, type Schema } from './document.ts'
import type { Change } from './rules.ts'

export type Direction = 'request' | 'response'

/**
 * The sender of a request has the released schema, and the receiver the current one. For a response it is the
 * other way round.
 */
export type Comparison = Readonly<{
  direction: Direction
  sender: Document
  receiver: Document
  at: string
  /** Pairs of references that are being compared. Such a pair is not compared again, so recursion ends. */
  open: readonly string[]
}>

type Allows = (sent: unknown, received: unknown) => boolean

const isAtMost: Allows = (sent, received) => sent !== undefined && Number(sent) <= Number(received)
const isAtLeast: Allows = (sent, received) => sent !== undefined && Number(sent) >= Number(received)
const isSame: Allows = isDeepStrictEqual

/**
 * Keyword → the type that it constrains, and whether the receiver allows every value that the sender allows.
 */
const constraints: Readonly<Record<string, readonly [type: string, allows: Allows]>> = {
  maximum: ['number', isAtMost],
  exclusiveMaximum: ['number', isAtMost],
  minimum: ['number', isAtLeast],
  exclusiveMinimum: ['number', isAtLeast],
  multipleOf: ['number', isSame],
  maxLength: ['string', isAtMost],
  minLength: ['string', isAtLeast],
  pattern: ['string', isSame],
  format: ['any', isSame],
  maxItems: ['array', isAtMost],
  minItems: ['array', isAtLeast],
  uniqueItems: ['array', isSame],
  maxProperties: ['object', isAtMost],
  minProperties: ['object', isAtLeast],
}

const compared = ['$ref', 'type', 'enum', 'const', 'properties', 'required', 'additionalProperties', 'items']
const annotations = ['title', 'description', 'default', 'example', 'examples', 'deprecated', '$comment']
const known = new Set([...Object.keys(constraints), ...compared, ...annotations])

const nameOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value

/** The values that a schema lists; undefined if it has no list. */
const valuesOf = (schema: Schema): readonly unknown[] | undefined =>
  'const' in schema ? [schema.const] : schema.enum

/** The types that a schema allows; undefined if it allows every type. */
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

/** Compares lists of values, constraints such as limits and patterns, and unknown keywords. */
export const compareValues = (comparison: Comparison, sender: Schema, receiver: Schema): Change[] =>
  [compareLists, compareConstraints, compareUnknown].flatMap((compareAspect) =>
    compareAspect(comparison, sender, receiver),
  )
