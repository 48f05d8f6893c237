import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { defaultCode, type ErrorKind } from '@shop/kernel/errors.ts'
import { grpcStatus } from '@shop/platform/grpc/status.ts'
import { httpStatus } from '@shop/platform/http/status.ts'
import { filesOf, root } from '@shop/testing/files.ts'
import { basketVariables } from '../services/basket/src/config.ts'
import { errorCodes as basketCodes } from '../services/basket/src/domain/errors.ts'
import { productVariables } from '../services/product/src/config.ts'
import { errorCodes as productCodes } from '../services/product/src/domain/errors.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const documents = [join(root, 'README.md'), ...filesOf('docs', '.md')]

/** The rows of the README's table of variables: name → what stands in the column of defaults. */
const documentedVariables = (readme: string): Map<string, string> =>
  new Map(
    [...readme.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \| (.*?) ?\|/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  )

/** Name → default of every variable in the schemas, written as the table writes it. */
const readVariables = (): Map<string, string> => {
  const both = [productVariables, basketVariables].flatMap(({ properties }) => Object.entries(properties))
  return new Map(
    both.map(([name, schema]) => [name, 'default' in schema ? `\`${String(schema.default)}\`` : '']),
  )
}

/** Every code that a service may answer with today, and its kind. */
const kindsByCode = (): Map<string, ErrorKind> => {
  const kinds: ErrorKind[] = ['invalid', 'not_found', 'stale', 'unavailable', 'internal']
  return new Map<string, ErrorKind>([
    ...kinds.map((kind) => [defaultCode(kind), kind] as const),
    ...Object.entries<ErrorKind>(productCodes),
    ...Object.entries<ErrorKind>(basketCodes),
  ])
}

describe('the documents', () => {
  it('list every variable that the services read, with its default, and no other', () => {
    const documented = documentedVariables(read('README.md'))
    const expected = readVariables()
    expected.set('PORT', '`8080` product, `8081` basket')
    assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(expected))
  })

  it('name only make targets that there are', () => {
    const targets = new Set([...read('Makefile').matchAll(/^([a-z-]+):/gm)].map(([, name]) => name))
    const named = documents.flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/\bmake ([a-z]+(?:-[a-z]+)*)(?=[`\s]*[`#\n,.;:)])/g)].map(
        ([, name]) => name,
      ),
    )
    assert.ok(named.length > 3)
    assert.deepEqual(
      named.filter((name) => !targets.has(name)),
      [],
    )
  })

  it('link to files that there are', () => {
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

  it('name every room of the packages where concerns are listed', () => {
    const page = read('docs/architecture.md')
    const rooms = filesOf('packages/platform/src', '.ts')
      .map((file) => relative(join(root, 'packages/platform/src'), dirname(file)))
      .filter((room) => room !== '')
    assert.ok(new Set(rooms).size >= 9)
    for (const room of new Set(rooms)) assert.match(page, new RegExp(`\\[${room}/[a-z-]+\\.ts\\]`), room)
    for (const name of ['kernel', 'postgres', 'redis', 'workers'])
      assert.ok(page.includes(`packages/${name}/src`))
  })

  it('have a paragraph for every alert, and for no other', () => {
    const alerts = [...read('deploy/observability/rules/alerts.yml').matchAll(/- alert: (\w+)/g)]
    const paragraphs = [...read('docs/runbook.md').matchAll(/^## (\w+)$/gm)]
    assert.ok(alerts.length >= 10)
    assert.deepEqual(
      paragraphs.map(([, name]) => name),
      alerts.map(([, name]) => name),
    )
  })

  it('show every code of an error, with the statuses of its kind', () => {
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
