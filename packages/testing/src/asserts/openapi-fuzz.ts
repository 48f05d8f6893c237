import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import * as fc from 'fast-check'
import type { FastifyInstance, InjectOptions } from 'fastify'

type Schema = Readonly<{
  type?: string | readonly string[]
  enum?: readonly unknown[]
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  required?: readonly string[]
  properties?: Readonly<Record<string, Schema>>
}>
type Parameter = Readonly<{ name: string; in: 'path' | 'query'; schema: Schema }>
type Operation = Readonly<{
  operationId: string
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Readonly<{ schema: Schema }>>> }>
  responses: Readonly<Record<string, Readonly<{ content?: Readonly<Record<string, unknown>> }>>>
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }>

/** Values at the edges of what APIs take for a number or a text. */
const awkward = fc.constantFrom<unknown>(
  null,
  true,
  '',
  ' ',
  '0',
  '1e3',
  'NaN',
  -1,
  0,
  0.001,
  14.999,
  2 ** 31,
  1e21,
  [],
  {},
  [[]],
  '\0',
  '\ud800',
  '😀',
  'a\nb',
)

const textOf = ({ pattern, minLength = 0, maxLength = 300 }: Schema): fc.Arbitrary<string> =>
  pattern === undefined
    ? fc.string({ minLength, maxLength: Math.min(maxLength, 300), unit: 'grapheme' })
    : fc.stringMatching(new RegExp(pattern))

/** A value that the schema allows. */
const validOf = (schema: Schema): fc.Arbitrary<unknown> => {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const [type] = [schema.type].flat()
  const { minimum = -1_000, maximum = 1_000 } = schema
  if (type === 'integer')
    return fc.oneof(
      fc.integer({ min: minimum, max: Math.min(maximum, minimum + 20) }),
      fc.integer({ min: minimum, max: maximum }),
    )
  if (type === 'number') return fc.integer({ min: 0, max: 99_999 }).map((cents) => cents / 100)
  if (type === 'object') {
    const members = Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([name, member]) => [name, validOf(member)]),
    )
    return fc.record(members, { requiredKeys: [...(schema.required ?? [])] })
  }
  return textOf(schema)
}

/** A value of the schema, often with something wrong in it. */
const anyOf = (schema: Schema): fc.Arbitrary<unknown> => {
  const valid = validOf(schema)
  if (schema.properties === undefined)
    return fc.oneof({ weight: 3, arbitrary: valid }, awkward, fc.jsonValue())
  const broken = fc
    .tuple(
      valid,
      fc.constantFrom(...Object.keys(schema.properties), 'unknown', '__proto__', 'constructor'),
      fc.oneof(awkward, fc.jsonValue()),
    )
    .map(([value, name, junk]) => ({ ...(value as object), [name]: junk }))
  return fc.oneof({ weight: 3, arbitrary: valid }, { weight: 3, arbitrary: broken }, awkward, fc.jsonValue())
}

/** As a path or query parameter: never empty, and never the beginning of a sibling path. */
const parameterText = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = text.isWellFormed() && !/^$|^\.{1,2}$|^top-|^low-stock-|^category$/.test(text)
  return encodeURIComponent(safe ? text : 'x')
}

const tag = fc.constantFrom('*', '"1"', '"2", "3"', 'W/"1"', 'x', '')

const requestOf = (path: string, method: string, operation: Operation): fc.Arbitrary<InjectOptions> => {
  const parameters = (operation.parameters ?? []).map((one) =>
    fc.tuple(fc.constant(one), fc.option(anyOf(one.schema), { nil: undefined, freq: 2 })),
  )
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  return fc
    .record({
      parameters: fc.tuple(...parameters),
      body: body === undefined ? fc.constant(undefined) : anyOf(body),
      headers: fc.oneof(
        { weight: 2, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.record({ 'if-match': tag, 'if-none-match': tag }, { requiredKeys: [] }) },
      ),
    })
    .map((given) => {
      let url = path
      const query: string[] = []
      for (const [{ name, in: where }, value] of given.parameters) {
        if (where === 'path') url = url.replace(`{${name}}`, parameterText(value ?? 1))
        else if (value !== undefined) query.push(`${name}=${parameterText(value)}`)
      }
      return {
        method: method.toUpperCase() as 'GET',
        url: query.length > 0 ? `${url}?${query.join('&')}` : url,
        headers: {
          ...given.headers,
          ...(given.body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(given.body !== undefined && { payload: JSON.stringify(given.body) }),
      }
    })
}

/**
 * Sends requests, right and wrong, made from the service's own OpenAPI document, to every operation of it. Each answer
 * must have a documented status other than 500 and a body that its schema allows. Resolves with the statuses seen.
 */
export const fuzz = async (http: FastifyInstance, numRuns: number): Promise<Map<string, Set<number>>> => {
  const document: Document = (await http.inject('/openapi.json')).json()
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
  ajv.addSchema(document, 'openapi')
  const seen = new Map<string, Set<number>>()
  const escape = (part: string) => part.replaceAll('~', '~0').replaceAll('/', '~1')

  const check = async (path: string, method: string, operation: Operation, request: InjectOptions) => {
    const { statusCode, headers, body } = await http.inject(request)
    const what = `${JSON.stringify(request)} → ${statusCode} ${body}`
    assert.notEqual(statusCode, 500, what)
    const documented = operation.responses[statusCode]
    assert.ok(documented, `undocumented: ${what}`)
    seen.set(operation.operationId, (seen.get(operation.operationId) ?? new Set()).add(statusCode))
    const [mediaType = ''] = (headers['content-type'] ?? '').split(';')
    if (body === '') return assert.equal(documented.content, undefined, what)
    const pointer = ['paths', path, method, 'responses', String(statusCode), 'content', mediaType, 'schema']
    assert.ok(documented.content?.[mediaType] !== undefined, `media type ${mediaType}: ${what}`)
    const validate = ajv.compile({
      $ref: `openapi#/${pointer.map(escape).map(encodeURIComponent).join('/')}`,
    })
    assert.ok(validate(JSON.parse(body)), `${ajv.errorsText(validate.errors)}: ${what}`)
  }

  for (const [path, operations] of Object.entries(document.paths)) {
    if (!/^\/(products|baskets)/.test(path)) continue
    // What deletes comes last, or else the others would meet little but 404.
    const inOrder = Object.entries(operations).toSorted(
      ([a], [b]) => Number(a === 'delete') - Number(b === 'delete'),
    )
    for (const [method, operation] of inOrder) {
      const property = fc.asyncProperty(requestOf(path, method, operation), (request) =>
        check(path, method, operation, request),
      )
      await fc.assert(property, { numRuns })
    }
  }
  return seen
}
