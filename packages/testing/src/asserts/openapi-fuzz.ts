import assert from 'node:assert/strict'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
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
  items?: Schema
  minItems?: number
  maxItems?: number
  examples?: readonly unknown[]
}>
type Parameter = Readonly<{ name: string; in: 'path' | 'query' | 'header'; schema: Schema }>
type Operation = Readonly<{
  operationId: string
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Readonly<{ schema: Schema }>>> }>
  responses: Readonly<Record<string, Readonly<{ content?: Readonly<Record<string, unknown>> }>>>
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> }>

/** Returns the part of the document with its references replaced by what they refer to. */
const withoutReferences = (document: object, part: unknown): unknown => {
  if (Array.isArray(part)) return part.map((item) => withoutReferences(document, item))
  if (typeof part !== 'object' || part === null) return part
  const { $ref } = part as { $ref?: unknown }
  if (typeof $ref === 'string') {
    const target = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((parent, key) => Reflect.get(parent as object, key), document)
    return withoutReferences(document, target)
  }
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [key, withoutReferences(document, value)]),
  )
}

/** Edge cases of every JSON type. */
const edgeCase = fc.constantFrom<unknown>(
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

const stringFor = ({ pattern, minLength = 0, maxLength = 300 }: Schema): fc.Arbitrary<string> =>
  pattern === undefined
    ? fc.string({ minLength, maxLength: Math.min(maxLength, 300), unit: 'grapheme' })
    : fc.stringMatching(new RegExp(pattern))

/** Generates values that the schema allows, but for the items of arrays: these are also others. */
const validValue = (schema: Schema): fc.Arbitrary<unknown> => {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const [type] = [schema.type].flat()
  const { minimum = -1_000, maximum = 1_000 } = schema
  if (type === 'integer')
    return fc.oneof(
      fc.integer({ min: minimum, max: Math.min(maximum, minimum + 20) }),
      fc.integer({ min: minimum, max: maximum }),
    )
  if (type === 'number') return fc.integer({ min: 0, max: 99_999 }).map((cents) => cents / 100)
  if (type === 'array') {
    const { items = {}, minItems = 0, maxItems = 10 } = schema
    return fc.array(anyValue(items), { minLength: minItems, maxLength: Math.min(maxItems, 10) })
  }
  if (type === 'object') {
    const members = Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([name, member]) => [name, validValue(member)]),
    )
    return fc.record(members, { requiredKeys: [...(schema.required ?? [])] })
  }
  return stringFor(schema)
}

/** Generates valid and invalid values for the schema. */
const anyValue = (schema: Schema): fc.Arbitrary<unknown> => {
  const valid = validValue(schema)
  if (schema.properties === undefined)
    return fc.oneof({ weight: 3, arbitrary: valid }, edgeCase, fc.jsonValue())
  // Of members that are all optional, few random combinations make sense.
  const examples = schema.examples === undefined ? [] : [fc.constantFrom(...schema.examples)]
  const invalid = fc
    .tuple(
      valid,
      fc.constantFrom(...Object.keys(schema.properties), 'unknown', '__proto__', 'constructor'),
      fc.oneof(edgeCase, fc.jsonValue()),
    )
    .map(([value, name, junk]) => ({ ...(value as object), [name]: junk }))
  return fc.oneof(
    { weight: 3, arbitrary: valid },
    { weight: 3, arbitrary: invalid },
    ...examples,
    edgeCase,
    fc.jsonValue(),
  )
}

/** Encodes the value as a path or query parameter: never empty, and never part of another route. */
const parameterText = (value: unknown): string => {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = text.isWellFormed() && !/^$|^\.{1,2}$|^top-|^low-stock-|^category$/.test(text)
  return encodeURIComponent(safe ? text : 'x')
}

/** Few, so that they are often used again, for the same request and for others. */
const idempotencyKey = fc.constantFrom('a', '"a"', 'b', '"', '')

const entityTag = fc.constantFrom('*', '"1"', '"2", "3"', 'W/"1"', 'x', '')

const requestOf = (path: string, method: string, operation: Operation): fc.Arbitrary<InjectOptions> => {
  // Headers have values of their own below.
  const inUrl = (operation.parameters ?? []).filter((parameter) => parameter.in !== 'header')
  const parameters = inUrl.map((parameter) =>
    fc.tuple(fc.constant(parameter), fc.option(anyValue(parameter.schema), { nil: undefined, freq: 2 })),
  )
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema
  return fc
    .record({
      parameters: fc.tuple(...parameters),
      body: body === undefined ? fc.constant(undefined) : anyValue(body),
      headers: fc.oneof(
        { weight: 2, arbitrary: fc.constant({}) },
        {
          weight: 1,
          arbitrary: fc.record(
            { 'if-match': entityTag, 'if-none-match': entityTag, 'idempotency-key': idempotencyKey },
            { requiredKeys: [] },
          ),
        },
      ),
    })
    .map((generated) => {
      let url = path
      const query: string[] = []
      for (const [{ name, in: where }, value] of generated.parameters) {
        if (where === 'path') url = url.replace(`{${name}}`, parameterText(value ?? 1))
        else if (value !== undefined) query.push(`${name}=${parameterText(value)}`)
      }
      return {
        method: method.toUpperCase() as 'GET',
        url: query.length > 0 ? `${url}?${query.join('&')}` : url,
        headers: {
          ...generated.headers,
          ...(generated.body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(generated.body !== undefined && { payload: JSON.stringify(generated.body) }),
      }
    })
}

/**
 * Sends valid and invalid requests to every operation in the service's own OpenAPI document. Each response
 * must have a documented status other than 500 and a body that its schema allows. Resolves with the statuses
 * seen, by operation id.
 */
export const fuzz = async (http: FastifyInstance, numRuns: number): Promise<Map<string, Set<number>>> => {
  const document: Document = (await http.inject('/openapi.json')).json()
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
  ajv.addSchema(document, 'openapi')
  const seen = new Map<string, Set<number>>()
  const escape = (part: string) => part.replaceAll('~', '~0').replaceAll('/', '~1')

  const validators = new Map<string, ValidateFunction>()
  const validatorOf = (pointer: readonly string[]): ValidateFunction => {
    const $ref = `openapi#/${pointer.map(escape).map(encodeURIComponent).join('/')}`
    const validate = validators.get($ref) ?? ajv.compile({ $ref })
    validators.set($ref, validate)
    return validate
  }

  const check = async (path: string, method: string, operation: Operation, request: InjectOptions) => {
    const { statusCode, headers, body } = await http.inject(request)
    const exchange = `${JSON.stringify(request)} → ${statusCode} ${body}`
    assert.notEqual(statusCode, 500, exchange)
    const documented = operation.responses[statusCode]
    assert.ok(documented, `undocumented status: ${exchange}`)
    seen.set(operation.operationId, (seen.get(operation.operationId) ?? new Set()).add(statusCode))
    const [mediaType = ''] = (headers['content-type'] ?? '').split(';')
    if (body === '') return assert.equal(documented.content, undefined, exchange)
    assert.ok(
      documented.content?.[mediaType] !== undefined,
      `undocumented media type ${mediaType}: ${exchange}`,
    )
    const validate = validatorOf([
      'paths',
      path,
      method,
      'responses',
      String(statusCode),
      'content',
      mediaType,
      'schema',
    ])
    assert.ok(validate(JSON.parse(body)), `${ajv.errorsText(validate.errors)}: ${exchange}`)
  }

  const { paths } = withoutReferences(document, { paths: document.paths }) as Document
  for (const [path, operations] of Object.entries(paths)) {
    if (!/^\/(products|baskets)/.test(path)) continue
    // DELETE comes last: otherwise most of the other requests would get 404.
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
