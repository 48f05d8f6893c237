import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { secretsIn } from '@shop/platform/config/variables.ts'
import { filesOf, root } from '@shop/testing/files.ts'
import { basketVariables } from '../services/basket/src/config.ts'
import { productVariables } from '../services/product/src/config.ts'

const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const decisions = filesOf('docs/decisions', '.md').filter((file) => basename(file) !== 'README.md')
const pages = [...filesOf('docs', '.md'), join(root, 'README.md'), join(root, 'CONTRIBUTING.md')]

/** The inline code of a page, without its code blocks. */
const inlineCode = (file: string): string[] =>
  [
    ...readFileSync(file, 'utf8')
      .replace(/^```[^]*?^```/gm, '')
      .matchAll(/`([^`\n]+)`/g),
  ].map(([, code = '']) => code)

/** The text of all source files, in which the identifiers on the pages must occur. Excludes the pages and this file. */
const sources = (): string => {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  return stdout
    .split('\n')
    .filter((path) => /\.(ts|json|ya?ml|lua|sql|proto|dockerfile|cfg)$|Makefile$/.test(path))
    .filter((path) => path !== 'tests/docs-names.test.ts' && existsSync(join(root, path)))
    .map(read)
    .join('\n')
}

/** Whether the code is an identifier of several words, such as `camelCase`. A single word may be plain English. */
const isIdentifier = (code: string): boolean =>
  /^[A-Za-z][A-Za-z0-9]*$/.test(code) ? /[a-z][A-Z]/.test(code) : /^[A-Za-z]\w*_\w+$/.test(code)

/** Names of PostgreSQL, OpenTelemetry and libraries, which our code does not contain. */
const externalNames = new Set([
  'synchronous_standby_names',
  'synchronous_commit',
  'relaxedDurability',
  'AggregatorRegistry',
  'getNodeClientForKey',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'idle_transaction_timeout',
  'max_connections',
  'nodejs_gc_duration_seconds',
  'OTEL_EXPORTER_OTLP_CERTIFICATE',
  'OTEL_EXPORTER_OTLP_COMPRESSION',
  'OTEL_RESOURCE_ATTRIBUTES',
  'pg_locks',
  'proxy_cache',
  'reusePort',
  'SCHED_NONE',
  'wasReady',
])

/** The variables that name files with secrets. The code makes their names. */
const secretFiles = new Set(
  [productVariables, basketVariables].flatMap(secretsIn).map((name) => `${name}_FILE`),
)

/** Paths of files that the pages tell readers to create. */
const examplePaths = /cheapest-products|0005_|price-history|cleanup|NAME|api-keys/

describe('the documentation', () => {
  it('names only identifiers that the code contains', () => {
    const words = new Set(sources().match(/\w+/g))
    assert.ok(words.size > 5_000)
    const named = pages
      .filter((file) => basename(file) !== 'recipes.md')
      .flatMap((file) => inlineCode(file).filter(isIdentifier))
    assert.ok(named.length > 150, `${named.length} names`)
    assert.deepEqual(
      [...new Set(named)].filter(
        (name) => !words.has(name) && !secretFiles.has(name) && !externalNames.has(name),
      ),
      [],
    )
    assert.ok(
      isIdentifier('noSuchIdentifier') && !words.has('noSuchIdentifier'),
      'an identifier that does not exist would be reported',
    )
  })

  it('names only files that exist', () => {
    const named = pages.flatMap((file) =>
      inlineCode(file).filter((code) =>
        /^(api|bench|deploy|docs|packages|scripts|services|tests)\/[\w./-]+$/.test(code),
      ),
    )
    assert.ok(named.length > 50, `${named.length} paths`)
    assert.deepEqual(
      [...new Set(named)].filter((path) => !examplePaths.test(path) && !existsSync(join(root, path))),
      [],
    )
  })

  it('lists every page in docs/README.md', () => {
    const index = read('docs/README.md')
    for (const file of filesOf('docs', '.md').filter((path) => !path.includes('/decisions/')))
      if (basename(file) !== 'README.md')
        assert.ok(index.includes(`(${relative(join(root, 'docs'), file)})`), file)
  })
})

describe('the index of decisions', () => {
  it('lists every decision with its title, status and date', () => {
    const rows = [
      ...read('docs/decisions/README.md').matchAll(/^\| (\d+) \| \[(.+)\]\((.+)\) \| (.+) \| (.+) \|$/gm),
    ].map(([, number, title, file, status = '', date]) => [
      file,
      `# ${number}. ${title}`,
      `${status}, ${date}.`,
    ])
    const written = decisions.map((file) => {
      const [title, , status = ''] = readFileSync(file, 'utf8').split('\n')
      return [basename(file), title, status.replace(/^./, (letter) => letter.toLowerCase())]
    })
    assert.ok(written.length >= 11)
    assert.deepEqual(
      rows,
      written.toSorted(([a = ''], [b = '']) => a.localeCompare(b)),
    )
  })

  it('names exactly the numbers that no decision has', () => {
    const [, named = ''] = /(\d[\d, and]*) were never assigned/.exec(read('docs/decisions/README.md')) ?? []
    const numbers = new Set(decisions.map((file) => Number.parseInt(basename(file), 10)))
    const missing = Array.from({ length: Math.max(...numbers) }, (_, index) => index + 1).filter(
      (number) => !numbers.has(number),
    )
    assert.deepEqual((named.match(/\d+/g) ?? []).map(Number), missing)
  })
})
