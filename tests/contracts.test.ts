import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { descriptors } from '@shop/contracts/descriptors.ts'
import { root } from '@shop/testing/files.ts'
import type { Document, Schema } from '../scripts/openapi-breaking/document.ts'
import { breaksOf } from '../scripts/openapi-breaking/documents.ts'

type OperationFields = Readonly<Record<string, unknown>>

/**
 * An OpenAPI document with `GET` and `POST /things/{id}`. `request`, `response` and `overrides` change only
 * the POST, except that `response` changes both.
 */
const document = (request: Schema = {}, response: Schema = {}, overrides: OperationFields = {}): Document => {
  const content = (schema: Schema) => ({ 'application/json': { schema } })
  const parameters = [
    { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } },
    { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 100 } },
  ]
  const responses = {
    200: { content: content(response), headers: { ETag: { required: true, schema: { type: 'string' } } } },
    404: {},
  }
  const post = { parameters, requestBody: { content: content(request) }, responses, ...overrides }
  return {
    paths: { '/things/{id}': { post, get: { parameters, responses } } },
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  }
}

/** The breaks of `POST`, each as `what (rule)`. */
const breaksOfPost = (released: Document, current: Document): string[] =>
  breaksOf(released, current)
    .filter(({ method }) => method === 'POST')
    .map(({ what, rule }) => `${what} (${rule})`)

const requestBody = 'request body application/json'
const responseBody = 'response 200 application/json'

const object = (properties: Record<string, Schema>, ...required: string[]): Schema => ({
  type: 'object',
  properties,
  required,
})

/** Name of the change → the schema before, the schema after, and what is reported for a request and for a response. */
const schemaChanges: Record<string, [before: Schema, after: Schema, request: string[], response: string[]]> =
  {
    'a lower maximum': [
      { type: 'integer', maximum: 9 },
      { type: 'integer', maximum: 5 },
      [': maximum was 9, is now 5 (request-narrowed)'],
      [],
    ],
    'a lower minimum': [
      { type: 'integer', minimum: 1 },
      { type: 'integer', minimum: 0 },
      [],
      [': minimum was 1, is now 0 (response-widened)'],
    ],
    'a new maximum length': [
      { type: 'string' },
      { type: 'string', maxLength: 5 },
      [': maxLength was not set, is now 5 (request-narrowed)'],
      [],
    ],
    'a larger minimum length': [
      { type: 'string', minLength: 1 },
      { type: 'string', minLength: 2 },
      [': minLength was 1, is now 2 (request-narrowed)'],
      [],
    ],
    'a changed pattern': [
      { type: 'string', pattern: '^a' },
      { type: 'string', pattern: '^b' },
      [': pattern was "^a", is now "^b" (request-narrowed)'],
      [': pattern was "^a", is now "^b" (response-widened)'],
    ],
    'a new format': [
      { type: 'string' },
      { type: 'string', format: 'uuid' },
      [': format was not set, is now "uuid" (request-narrowed)'],
      [],
    ],
    'a removed enum value': [
      { enum: ['a', 'b'] },
      { enum: ['a'] },
      [': enum was ["a","b"], is now ["a"] (request-narrowed)'],
      [],
    ],
    'an added enum value': [
      { enum: ['a'] },
      { enum: ['a', 'b'] },
      [],
      [': enum was ["a"], is now ["a","b"] (response-widened)'],
    ],
    'an enum that becomes an arbitrary string': [
      { type: 'string', enum: ['a'] },
      { type: 'string' },
      [],
      [': enum was ["a"], is now not set (response-widened)'],
    ],
    'a type that becomes nullable': [
      { type: 'string' },
      { type: ['string', 'null'] },
      [],
      [': type was ["string"], is now ["string","null"] (response-widened)'],
    ],
    'a type that is no longer nullable': [
      { type: ['string', 'null'] },
      { type: 'string' },
      [': type was ["string","null"], is now ["string"] (request-narrowed)'],
      [],
    ],
    'a number that becomes an integer': [
      { type: 'number' },
      { type: 'integer' },
      [': type was ["number"], is now ["integer"] (request-narrowed)'],
      [],
    ],
    'a changed type': [
      { type: 'string', maxLength: 5 },
      { type: 'boolean' },
      [': type was ["string"], is now ["boolean"] (request-narrowed)'],
      [': type was ["string"], is now ["boolean"] (response-widened)'],
    ],
    'a changed item type': [
      { type: 'array', items: { type: 'string' } },
      { type: 'array', items: { type: 'integer' } },
      ['/-: type was ["string"], is now ["integer"] (request-narrowed)'],
      ['/-: type was ["string"], is now ["integer"] (response-widened)'],
    ],
    'a removed optional property': [
      object({ a: { type: 'string' } }),
      object({}),
      ['/a: removed (request-property-removed)'],
      [],
    ],
    'an added optional property': [object({}), object({ a: { type: 'string' } }), [], []],
    'a removed required property': [
      object({ a: { type: 'string' } }, 'a'),
      object({}),
      ['/a: removed (request-property-removed)'],
      ['/a: was required, may now be absent (response-property-optional)'],
    ],
    'a property that becomes optional': [
      object({ a: { type: 'string' } }, 'a'),
      object({ a: { type: 'string' } }),
      [],
      ['/a: was required, may now be absent (response-property-optional)'],
    ],
    'an added required property': [
      object({}),
      object({ a: { type: 'string' } }, 'a'),
      ['/a: is now required (request-property-required)'],
      [],
    ],
    'disallowed additional properties': [
      { type: 'object' },
      { type: 'object', additionalProperties: false },
      [': additionalProperties was true, is now false (request-narrowed)'],
      [],
    ],
    'a changed value type of a map': [
      { type: 'object', additionalProperties: { type: 'integer' } },
      { type: 'object', additionalProperties: { type: 'number' } },
      [],
      ['/*: type was ["integer"], is now ["number"] (response-widened)'],
    ],
    'a keyword that is not compared': [
      { type: 'string' },
      { type: 'string', contentEncoding: 'base64' },
      [': contentEncoding changed (not-comparable)'],
      [': contentEncoding changed (not-comparable)'],
    ],
    'a changed description and default': [
      { type: 'string', description: 'one', default: 'a' },
      { type: 'string', description: 'two', default: 'b' },
      [],
      [],
    ],
  }

describe('the check for breaking changes of OpenAPI documents', () => {
  for (const [name, [before, after, request, response]] of Object.entries(schemaChanges)) {
    it(`${request.length ? 'reports' : 'accepts'} ${name} in a request`, () => {
      assert.deepEqual(
        breaksOfPost(document(before), document(after)),
        request.map((one) => requestBody + one),
      )
    })
    it(`${response.length ? 'reports' : 'accepts'} ${name} in a response`, () => {
      assert.deepEqual(
        breaksOfPost(document({}, before), document({}, after)),
        response.map((one) => responseBody + one),
      )
    })
  }

  const released = document()
  const id = { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } }
  const limit = { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 100 } }
  const operationChanges: Record<string, [overrides: OperationFields, reported: string]> = {
    'a removed parameter': [{ parameters: [id] }, 'parameter limit in query: removed (parameter-removed)'],
    'a parameter that becomes required': [
      { parameters: [id, { ...limit, required: true }] },
      'parameter limit in query: is now required (parameter-required)',
    ],
    'an added required parameter': [
      { parameters: [id, limit, { name: 'q', in: 'query', required: true }] },
      'parameter q in query: added as required (parameter-required)',
    ],
    'a lower maximum of a parameter': [
      { parameters: [id, { ...limit, schema: { type: 'integer', maximum: 50 } }] },
      'parameter limit in query: maximum was 100, is now 50 (request-narrowed)',
    ],
    'a changed parameter style': [
      { parameters: [id, { ...limit, style: 'spaceDelimited' }] },
      'parameter limit in query: style or other serialization settings changed (parameter-changed)',
    ],
    'a removed request body': [{ requestBody: undefined }, 'request body: removed (body-removed)'],
    'a request body that becomes required': [
      { requestBody: { required: true, content: { 'application/json': {} } } },
      'request body: is now required (body-required)',
    ],
    'a changed media type of a request': [
      { requestBody: { content: { 'text/csv': {} } } },
      `${requestBody}: removed (media-type-removed)`,
    ],
    'a removed response status': [
      {
        responses: released.paths['/things/{id}']?.['get']?.responses && {
          200: { content: { 'application/json': {} }, headers: { ETag: { required: true } } },
        },
      },
      'response 404: removed (response-removed)',
    ],
    'a removed response header': [
      { responses: { 200: { content: { 'application/json': {} } }, 404: {} } },
      'response 200 header ETag: was required, may now be absent (header-optional)',
    ],
    'a removed media type of a response': [
      { responses: { 200: { headers: { ETag: { required: true } } }, 404: {} } },
      `${responseBody}: removed (media-type-removed)`,
    ],
    'a new requirement of credentials': [
      { security: [{ bearer: [] }] },
      'security: was [], is now [{"bearer":[]}] (security-added)',
    ],
  }
  for (const [name, [overrides, reported]] of Object.entries(operationChanges))
    it(`reports ${name}`, () => {
      assert.deepEqual(breaksOfPost(released, document({}, {}, overrides)), [reported])
    })

  it('allows credentials where the release could not ask for any', () => {
    const { paths } = released
    assert.deepEqual(breaksOfPost({ paths }, document({}, {}, { security: [{ bearer: [] }] })), [])
  })

  it('reports a required response header that becomes optional behind a reference', () => {
    const withHeader = (required: boolean): Document => ({
      ...document(
        {},
        {},
        { responses: { 200: { headers: { ETag: { $ref: '#/components/headers/ETag' } } } } },
      ),
      components: { headers: { ETag: { required, schema: { type: 'string' } } } },
    })
    const reported = 'response 200 header ETag: was required, may now be absent (header-optional)'
    assert.deepEqual(breaksOfPost(withHeader(true), withHeader(true)), [])
    assert.deepEqual(breaksOfPost(withHeader(true), withHeader(false)), [reported])
  })

  it('reports a removed path or method', () => {
    const { post } = released.paths['/things/{id}'] ?? {}
    assert.deepEqual(
      breaksOf(released, { paths: {} }).map(({ method, rule }) => [method, rule]),
      [
        ['GET', 'path-removed'],
        ['POST', 'path-removed'],
      ],
    )
    assert.deepEqual(breaksOf(released, { paths: { '/things/{id}': { post } } } as Document), [
      { path: '/things/{id}', method: 'GET', what: 'removed', rule: 'method-removed' },
    ])
  })

  it('accepts a renamed path parameter, and still compares its schema', () => {
    const renamed = (minimum: number): Document => {
      const parameters = [
        { name: 'thing', in: 'path', required: true, schema: { type: 'integer', minimum } },
        limit,
      ]
      const { post, get } = released.paths['/things/{id}'] ?? {}
      return {
        paths: { '/things/{thing}': { post: { ...post, parameters }, get: { ...get, parameters } } },
      }
    }
    assert.deepEqual(breaksOf(released, renamed(1)), [])
    assert.deepEqual(breaksOfPost(released, renamed(2)), [
      'parameter id in path: minimum was 1, is now 2 (request-narrowed)',
    ])
  })

  it('reports a change in a referenced schema, even if the schema is recursive', () => {
    const tree = (maximum: number): Document => ({
      ...document({ $ref: '#/components/schemas/Tree' }),
      components: {
        schemas: {
          Tree: object({
            size: { type: 'integer', maximum },
            children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } },
          }),
        },
      },
    })
    assert.deepEqual(breaksOfPost(tree(9), tree(9)), [])
    assert.deepEqual(breaksOfPost(tree(9), tree(5)), [
      `${requestBody}/size: maximum was 9, is now 5 (request-narrowed)`,
    ])
  })
})

const run = (program: string, args: readonly string[], cwd = root) => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  return { status, output: stdout + stderr }
}

describe('the released contracts', () => {
  const script = join(root, 'scripts/openapi-breaking.ts')

  it('match the current OpenAPI documents', () => {
    assert.deepEqual(run(process.execPath, [script]), { status: 0, output: '' })
  })

  it('are broken by a document that no longer requires a member, and by a missing document', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-openapi-'))
    const product = await readFile(join(root, 'api/openapi/product.json'), 'utf8')
    await writeFile(join(folder.path, 'product.json'), product.replace('"request_id"\n', '"trace"\n'))
    const { status, output } = run(process.execPath, [script, '--current', folder.path])
    assert.equal(status, 1)
    assert.match(output, /^basket\.json: removed \(document-removed: /m)
    assert.match(
      output,
      /^product\.json: GET \/products: response 400 application\/problem\+json\/request_id: was required, may now be absent \(response-property-optional: /m,
    )
  })

  it('match the current product.proto, and buf rejects an incompatible change to it', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-proto-'))
    await cp(join(root, 'api'), join(folder.path, 'api'), { recursive: true })
    await cp(join(root, 'buf.yaml'), join(folder.path, 'buf.yaml'))
    // `make lint` runs the same command.
    assert.match(
      await readFile(join(root, 'Makefile'), 'utf8'),
      /^\tbuf breaking --against api\/released\/proto$/m,
    )
    const buf = () =>
      run(join(root, 'node_modules/.bin/buf'), ['breaking', '--against', 'api/released/proto'], folder.path)
    assert.deepEqual(buf(), { status: 0, output: '' })
    const file = join(folder.path, 'api/proto/product/product.proto')
    await writeFile(file, (await readFile(file, 'utf8')).replace('int32 stock', 'string stock'))
    const { status, output } = buf()
    assert.equal(status, 100)
    assert.match(
      output,
      /Field "\d+" with name "stock" on message "\w+" changed type from "int32" to "string"/,
    )
  })
})

describe('the generated contracts', () => {
  it('are what make proto generates', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'shop-generated-'))
    const environment = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}` }
    const generate = (program: string, ...args: string[]) =>
      spawnSync(program, args, { cwd: root, encoding: 'utf8', env: environment })
    assert.equal(generate('buf', 'generate', '--output', folder.path).status, 0)
    const generated = join(folder.path, 'packages/contracts/src')
    const script = join(root, 'scripts/descriptors.ts')
    assert.equal(generate(process.execPath, script, join(generated, 'descriptors.ts')).status, 0)
    const committed = join(root, 'packages/contracts/src')
    const paths = await readdir(generated, { recursive: true })
    assert.deepEqual(paths.toSorted(), (await readdir(committed, { recursive: true })).toSorted())
    for (const path of paths.filter((name) => name.endsWith('.ts')))
      assert.equal(
        await readFile(join(committed, path), 'utf8'),
        await readFile(join(generated, path), 'utf8'),
        `${path}: run make proto`,
      )
  })

  it('name the packages of Go, Java and C#', () => {
    const file = Buffer.from(descriptors['product/product.proto'] ?? '', 'base64')
    const { options } = fromBinary(FileDescriptorProtoSchema, file)
    assert.partialDeepStrictEqual(options ?? {}, {
      goPackage: 'example.com/shop/productpb',
      javaPackage: 'com.example.shop.product',
      javaMultipleFiles: true,
      csharpNamespace: 'Shop.Products',
    })
  })
})
