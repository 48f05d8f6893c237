import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { defaultCode, type ErrorKind } from '@shop/kernel/errors.ts'
import { keyReused } from '@shop/kernel/idempotency.ts'
import { secretsIn } from '@shop/platform/config/variables.ts'
import { grpcStatus } from '@shop/platform/grpc/status.ts'
import { httpStatus } from '@shop/platform/http/status.ts'
import { filesOf, root } from '@shop/testing/files.ts'
import { basketVariables } from '../services/basket/src/config.ts'
import { errorCodes as basketCodes } from '../services/basket/src/domain/errors.ts'
import { productVariables } from '../services/product/src/config.ts'
import { errorCodes as productCodes } from '../services/product/src/domain/errors.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const documents = [join(root, 'README.md'), ...filesOf('docs', '.md')]

/** The README's table of variables: name → content of the default column. */
const defaultsInReadme = (readme: string): Map<string, string> =>
  new Map(
    [...readme.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| (.*?) ?\|/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )

/** The variables in the services' schemas: name → default, formatted as in the README's table. */
const defaultsInSchemas = (): Map<string, string> => {
  const variables = [productVariables, basketVariables].flatMap(({ properties }) =>
    Object.entries(properties),
  )
  return new Map(
    variables.map(([name, schema]) => [name, 'default' in schema ? `\`${String(schema.default)}\`` : '']),
  )
}

/** Every error code that the services can return, with its kind. */
const kindsByCode = (): Map<string, ErrorKind> => {
  const kinds: ErrorKind[] = [
    'invalid',
    'unauthenticated',
    'forbidden',
    'not_found',
    'stale',
    'payload_too_large',
    'rate_limited',
    'unavailable',
    'internal',
  ]
  return new Map<string, ErrorKind>([
    ...kinds.map((kind) => [defaultCode(kind), kind] as const),
    [keyReused().code, keyReused().kind],
    ...Object.entries<ErrorKind>(productCodes),
    ...Object.entries<ErrorKind>(basketCodes),
  ])
}

describe('the documentation', () => {
  it('lists exactly the variables that the services read, with their defaults', () => {
    const documented = defaultsInReadme(read('README.md'))
    const expected = defaultsInSchemas()
    expected.set('PORT', '`8080` product, `8081` basket')
    assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(expected))
  })

  it('lists exactly the variables that name files with secrets', () => {
    const [row = ''] = /^\| `[A-Z_]+_FILE`, .*?\|/m.exec(read('README.md')) ?? []
    const documented = [...row.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)
    const expected = new Set(
      [productVariables, basketVariables].flatMap(secretsIn).map((name) => `${name}_FILE`),
    )
    assert.ok(expected.size >= 6)
    assert.equal(documented.length, expected.size)
    assert.deepEqual(new Set(documented), expected)
  })

  it('mentions only make targets that exist', () => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
    const mentioned = documents.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\bmake ([a-z]+(?:-[a-z]+)*)(?=[`\s]*[`#\n,.;:)])/g)].map(
        ([, name]) => name,
      ),
    )
    assert.ok(mentioned.length > 3)
    assert.deepEqual(
      mentioned.filter((name) => !targets.has(name)),
      [],
    )
  })

  it('links only to files that exist', () => {
    const links = documents.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) =>
        join(dirname(file), link),
      ),
    )
    assert.ok(links.length > 20)
    assert.deepEqual(
      links.filter((path) => !existsSync(path)).map((path) => relative(root, path)),
      [],
    )
  })

  it('covers every folder of the platform package, and the other packages, on the architecture page', () => {
    const page = read('docs/architecture.md')
    const folders = filesOf('packages/platform/src', '.ts')
      .map((file) => relative(join(root, 'packages/platform/src'), dirname(file)))
      .filter((folder) => folder !== '')
    assert.ok(new Set(folders).size >= 9)
    for (const folder of new Set(folders))
      assert.match(page, new RegExp(`\\[${folder}/[a-z-]+\\.ts\\]`), folder)
    for (const name of ['kernel', 'postgres', 'redis', 'workers'])
      assert.ok(page.includes(`packages/${name}/src`))
  })

  it('has one section per alert in the runbook, in the order of the rules', () => {
    const alerts = [...read('deploy/observability/rules/alerts.yml').matchAll(/- alert: (\w+)/g)]
    const sections = [...read('docs/runbook.md').matchAll(/^## (\w+)$/gm)]
    assert.ok(alerts.length >= 10)
    assert.deepEqual(
      sections.map(([, name]) => name),
      alerts.map(([, name]) => name),
    )
  })

  it('lists exactly the error codes of the services, with the HTTP and gRPC statuses of their kinds', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \| (\d+)[^|]*\| `([A-Z_]+)`/gm)]
    const kinds = kindsByCode()
    assert.deepEqual(new Set(rows.map(([, code]) => code)), new Set(kinds.keys()))
    assert.equal(rows.length, kinds.size)
    for (const [, code = '', http, grpc] of rows) {
      const kind = kinds.get(code) ?? 'internal'
      assert.equal(httpStatus(kind), Number(http), code)
      assert.equal(status[grpcStatus(kind)], grpc, code)
    }
  })
})
