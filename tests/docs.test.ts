import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { basketVariables } from '../services/basket/src/config.ts'
import { productVariables } from '../services/product/src/config.ts'
import { filesOf, root } from './support/files.ts'

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

  it('find every file of the platform in the table of concerns', () => {
    const page = read('docs/architecture.md')
    // Small tools of the others, found from them.
    const helpers = new Set([
      'deadline.ts',
      'decorate.ts',
      'list-resolver.ts',
      'operator-error.ts',
      'sqlite.ts',
      'pino-roll.d.ts',
    ])
    const files = filesOf('packages/platform/src', '.ts').map((file) =>
      relative(join(root, 'packages/platform/src'), file),
    )
    assert.deepEqual(
      files.filter((name) => !helpers.has(name) && !page.includes(`/${name})`)),
      [],
    )
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

  it('show the errors with the statuses of the table', async () => {
    const { httpStatus, grpcStatus } = await import('@shop/platform/error-status.ts')
    const { status } = await import('@grpc/grpc-js')
    const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \| (\d+)[^|]*\| `([A-Z_]+)`/gm)]
    assert.equal(rows.length, 8)
    for (const [, code, http, grpc] of rows) {
      assert.equal(httpStatus(code as Parameters<typeof httpStatus>[0]), Number(http))
      assert.equal(status[grpcStatus(code as Parameters<typeof grpcStatus>[0])], grpc)
    }
  })
})
