import type { Violation } from '@shop/kernel/errors.ts'
import { Ajv, type ErrorObject } from 'ajv'
import type { TSchema } from 'typebox'

// Strict: "5" is not 5 and true is not 1. What arrives as text is converted beforehand, by `textReader`.
const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  strict: true,
  strictRequired: false,
  verbose: true,
})

const kinds: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'a string',
  object: 'an object',
  array: 'an array',
}

/** The rule in our words. Of a pattern the schema's description is the rule. */
const ruleOf = ({ keyword, message = 'is not valid', params, parentSchema }: ErrorObject): string => {
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'type':
      return `must be ${[params['type']]
        .flat()
        .map((type) => kinds[type] ?? type)
        .join(' or ')}`
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
    default:
      return message
  }
}

const violation = (error: ErrorObject): Violation => ({
  path:
    error.keyword === 'required'
      ? `${error.instancePath}/${error.params['missingProperty']}`
      : error.instancePath,
  message: ruleOf(error),
})

/** Compiles a JSON Schema; the function fills in defaults and returns the violations, none when the value is valid. */
export const compileSchema = (schema: TSchema | object) => {
  const validate = ajv.compile(schema)
  return (value: unknown): readonly Violation[] =>
    validate(value) ? [] : (validate.errors ?? []).map(violation)
}

const wholeNumber = /^(0|-?[1-9]\d{0,15})$/

/** As much of an object's schema as `textReader` looks at. */
export type Properties = Readonly<{ properties?: Readonly<Record<string, { type?: unknown }>> }>

/**
 * What a record of texts (a query string, path parameters, the environment) says, by the types of the schema:
 * plain whole numbers become numbers, all else stays text. Stricter than AJV's coercion, which takes `1e3` for 1000.
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
