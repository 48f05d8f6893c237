import { isDeepStrictEqual } from 'node:util'
import { type Document, type Media, mapOperations, mapResponses, mapValues, type Schema } from './document.ts'

type Change = (schema: Schema) => Schema

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Applies `change` to every schema within the schema, and last to the schema itself. */
const mapSchema = (schema: Schema, change: Change): Schema => {
  const within = (value: unknown): unknown => (isSchema(value) ? mapSchema(value, change) : value)
  const members = mapValues(schema, (value, keyword) => {
    if (keyword === 'properties' && isSchema(value)) return mapValues(value, within)
    if (['items', 'additionalProperties'].includes(keyword)) return within(value)
    return ['anyOf', 'oneOf', 'allOf'].includes(keyword) && Array.isArray(value) ? value.map(within) : value
  })
  return change(members)
}

/** Applies `change` to the schemas of all parameters, bodies and responses, and to those within them. */
const mapOperationSchemas = (document: Document, change: Change): Document => {
  const withSchema = <Holder extends Media>(holder: Holder): Holder =>
    holder.schema === undefined ? holder : { ...holder, schema: mapSchema(holder.schema, change) }
  const withContent = <Holder extends Readonly<{ content?: Readonly<Record<string, Media>> }>>(
    holder: Holder,
  ): Holder =>
    holder.content === undefined ? holder : { ...holder, content: mapValues(holder.content, withSchema) }
  return mapOperations(document, ({ parameters, requestBody, ...operation }) =>
    mapResponses(
      {
        ...operation,
        ...(parameters && { parameters: parameters.map(withSchema) }),
        ...(requestBody && { requestBody: withContent(requestBody) }),
      },
      withContent,
    ),
  )
}

const typeOf = (value: unknown): string =>
  Number.isInteger(value) ? 'integer' : value === null ? 'null' : typeof value

/** Adds the type to a list of values. Without it, generators and /docs treat the values as of any type. */
const withType: Change = (schema) => {
  if (!Array.isArray(schema['enum']) || 'type' in schema) return schema
  const [type, ...others] = new Set(schema['enum'].map(typeOf))
  return { type: others.length === 0 ? type : [type, ...others], ...schema }
}

/**
 * States the defaults of members in words. With the keyword, openapi-typescript makes members required that clients
 * may leave out.
 */
const withDefaultsInWords: Change = (schema) => {
  const { properties } = schema
  if (!isSchema(properties)) return schema
  const inWords = mapValues(properties, (property) => {
    if (!isSchema(property) || !('default' in property)) return property
    const { default: value, description, ...rest } = property
    const sentence = `${JSON.stringify(value)} if left out`
    return {
      ...rest,
      description: typeof description === 'string' ? `${description}; ${sentence}` : sentence,
    }
  })
  return { ...schema, properties: inWords }
}

/** Leaves conditions out. The description of a schema says what they require: many generators and linters do not know them. */
const withoutConditions: Change = ({ if: _if, then: _then, else: _else, ...schema }) => schema

/**
 * Makes every schema with a `title` a component of that name, with references to it in place of the schema, so
 * that generated clients have one type for it. Throws if different schemas have the same title.
 */
export const nameSchemas = (document: Document): Document => {
  const named: Record<string, Schema> = {}
  const name: Change = (schema) => {
    const typed = withDefaultsInWords(withType(withoutConditions(schema)))
    const { title } = typed
    if (typeof title !== 'string') return typed
    if (named[title] && !isDeepStrictEqual(named[title], typed))
      throw new Error(`two schemas have the title ${title}`)
    named[title] = typed
    return { $ref: `#/components/schemas/${title}` }
  }
  const { schemas = {}, ...components } = document.components ?? {}
  for (const [key, schema] of Object.entries(schemas)) {
    const result = mapSchema(schema, name)
    // Components without a title keep their name.
    if (!('$ref' in result)) named[key] = result
  }
  const mapped = mapOperationSchemas(document, name)
  return { ...mapped, components: { ...components, schemas: named } }
}
