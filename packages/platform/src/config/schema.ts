import type { Violation } from '@shop/kernel/errors.ts'
import { Ajv, type ErrorObject } from 'ajv'
import type { TSchema } from 'typebox'

// No `coerceTypes`: the string "5" is not the number 5. For query strings, path parameters and the
// environment, `textReader` converts integers before validation. The schemas are not validated themselves: compiling the
// schema of schemas takes 20 ms of every start. TypeScript, the tests and the linters of the OpenAPI documents check them.
const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  strict: true,
  strictRequired: false,
  verbose: true,
  meta: false,
  validateSchema: false,
})

const typeNames: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'a boolean',
  string: 'a string',
  object: 'an object',
  array: 'an array',
}

/** At most this many violations are reported: a query string may have thousands of unknown parameters. */
const maxViolations = 20

const unknownNameRule = (known: readonly string[]): string =>
  known.length === 0
    ? 'is not a known name; there are no known names'
    : `is not a known name; the known names are ${known.join(', ')}`
/** Infinity is a number that would be rounded, see `withoutRounding`. Any number of 15 digits is exact. */
const typeRule = (types: readonly string[], value: unknown): string =>
  value === Infinity && (types.includes('number') || types.includes('integer'))
    ? 'must be a number of at most 15 digits'
    : `must be ${types.map((type) => typeNames[type] ?? type).join(' or ')}`

/** Returns the violated rule in our own wording. For a pattern, the schema's description states the rule. */
const ruleOf = ({ keyword, message = 'is not valid', params, parentSchema, data }: ErrorObject): string => {
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'type':
      return typeRule([params['type']].flat(), data)
    case 'enum':
      return `must be one of ${params['allowedValues'].join(', ')}`
    case 'pattern':
      return `must be ${parentSchema?.['description'] ?? `of the form ${params['pattern']}`}`
    case 'minimum':
      return `must be at least ${params['limit']}`
    case 'maximum':
      return `must be at most ${params['limit']}`
    case 'minLength':
      return params['limit'] === 1 ? 'must not be empty' : `must have at least ${params['limit']} characters`
    case 'maxLength':
      return `must have at most ${params['limit']} characters`
    case 'minItems':
      return params['limit'] === 1 ? 'must not be empty' : `must have at least ${params['limit']} items`
    case 'maxItems':
      return `must have at most ${params['limit']} items`
    case 'additionalProperties':
      return unknownNameRule(Object.keys(parentSchema?.['properties'] ?? {}))
    default:
      return message
  }
}

/** The member that is missing or unknown. AJV reports it at the path of the object. */
const memberOf = ({ keyword, params }: ErrorObject): string | undefined =>
  keyword === 'required' ? params['missingProperty'] : params['additionalProperty']

const violation = (error: ErrorObject): Violation => {
  const member = memberOf(error)
  const pointer = member === undefined ? '' : `/${member.replaceAll('~', '~0').replaceAll('/', '~1')}`
  return { path: `${error.instancePath}${pointer}`, message: ruleOf(error) }
}

/** AJV adds an error for `if` to those of its `then` or `else`. */
const isOwn = ({ keyword }: ErrorObject): boolean => keyword !== 'if'

/**
 * Returns a function that cuts the arrays of an object to one item more than its schema allows: all violations in the 32,000 items of
 * a body would take 10 ms.
 */
const arrayCutter = (schema: Readonly<{ properties?: Readonly<Record<string, { maxItems?: unknown }>> }>) => {
  const limits = Object.entries(schema.properties ?? {}).flatMap(([name, { maxItems }]) =>
    typeof maxItems === 'number' ? [[name, maxItems] as const] : [],
  )
  return (value: unknown): unknown => {
    let cut = value
    for (const [name, maxItems] of limits) {
      const items: unknown = typeof cut === 'object' && cut !== null ? Reflect.get(cut, name) : undefined
      if (Array.isArray(items) && items.length > maxItems)
        cut = { ...(cut as object), [name]: items.slice(0, maxItems + 1) }
    }
    return cut
  }
}

/**
 * Compiles a JSON Schema. The returned function adds missing defaults to the value and returns its violations,
 * at most twenty.
 */
export const compileSchema = (schema: TSchema | object) => {
  const validate = ajv.compile(schema)
  const cutArrays = arrayCutter(schema)
  return (value: unknown): readonly Violation[] =>
    validate(cutArrays(value))
      ? []
      : (validate.errors ?? []).filter(isOwn).slice(0, maxViolations).map(violation)
}

const wholeNumber = /^(0|-?[1-9]\d{0,15})$/

/** The part of an object schema that `textReader` uses. */
export type Properties = Readonly<{ properties?: Readonly<Record<string, { type?: unknown }>> }>

/**
 * Returns a function that converts a record of strings: a query string, path parameters or the environment.
 * Where the schema requires an integer, a plain whole number becomes a number. All other values stay strings.
 * This is stricter than AJV's coercion, which accepts `1e3` as 1000.
 */
export const textReader = ({ properties = {} }: Properties) => {
  const integers = Object.keys(properties).filter((name) => properties[name]?.type === 'integer')
  return (texts: Readonly<Record<string, unknown>>): Record<string, unknown> => {
    const values = { ...texts }
    for (const name of integers) {
      const text = values[name]
      if (typeof text === 'string' && wholeNumber.test(text)) values[name] = Number(text)
    }
    return values
  }
}
