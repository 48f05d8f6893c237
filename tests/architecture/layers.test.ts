import assert from 'node:assert/strict'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf } from '@shop/testing/files.ts'
import { importsOf, packageOf, sources, textOf } from './imports.ts'

/** What a layer may import: its own service's layers, workspace packages, and whether anything else. */
type Layer = Readonly<{ layers: readonly string[]; packages: readonly string[]; others: boolean }>

/** The packages that do the work; how many processes there are is for main.ts alone to know. */
const tools = ['kernel', 'platform', 'contracts', 'postgres', 'redis']
const layers: Readonly<Record<string, Layer>> = {
  domain: { layers: ['domain'], packages: ['kernel'], others: false },
  application: { layers: ['application', 'domain'], packages: ['kernel'], others: false },
  infrastructure: { layers: ['infrastructure', 'domain'], packages: tools, others: true },
  interfaces: { layers: ['interfaces', 'application', 'domain'], packages: tools, others: true },
  jobs: { layers: ['jobs', 'application', 'domain'], packages: tools, others: true },
}

/** What a package may import of the others, and whether anything else. */
const packages: Readonly<Record<string, Omit<Layer, 'layers'>>> = {
  kernel: { packages: [], others: false },
  platform: { packages: ['kernel'], others: true },
  postgres: { packages: ['kernel', 'platform'], others: true },
  redis: { packages: ['kernel', 'platform'], others: true },
  workers: { packages: ['kernel', 'platform'], others: true },
  testing: { packages: ['kernel', 'platform', 'contracts', 'postgres', 'redis'], others: true },
}

/** The first folder below a service's `src`, or the file's name for those that lie in it. */
const layerOf = (path: string): string => (path.split('/')[3] ?? '').replace(/\.ts$/, '')

const allowed = (specifier: string, rules: Omit<Layer, 'layers'>): boolean => {
  const own = packageOf(specifier)
  return own === undefined ? rules.others : rules.packages.includes(own)
}

/** Whether a file, by its path from the root, may import this. */
const mayImport = (file: string, specifier: string): boolean => {
  const [area = '', name = ''] = file.split('/')
  const home = `${area}/${name}/`
  if (specifier.startsWith('.')) {
    const target = join(dirname(file), specifier)
    // The version is in the manifest.
    if (!target.startsWith(`${home}src/`)) return target === `${home}package.json`
    const rules = area === 'services' ? layers[layerOf(file)] : undefined
    return rules === undefined || rules.layers.includes(layerOf(target))
  }
  if (area === 'packages') return allowed(specifier, packages[name] ?? { packages: [], others: false })
  const rules = layers[layerOf(file)]
  return rules === undefined || allowed(specifier, rules)
}

describe('the layers', () => {
  it('and packages import only what they may', () => {
    const files = sources()
    assert.ok(files.length > 100)
    const broken = files.flatMap((file) =>
      importsOf(textOf(file))
        .filter((specifier) => !mayImport(file, specifier))
        .map((specifier) => `${file} must not import ${specifier}`),
    )
    assert.deepEqual(broken, [])
  })

  const shop = '@shop'
  for (const [file, specifier] of [
    ['services/product/src/domain/product.ts', '../infrastructure/adapters.ts'],
    ['services/product/src/domain/product.ts', `${shop}/platform/logging/logger.ts`],
    ['services/product/src/domain/product.ts', 'node:fs'],
    ['services/product/src/application/queries/get-product.ts', '../../interfaces/http/product-json.ts'],
    ['services/product/src/application/queries/get-product.ts', 'kysely'],
    ['services/product/src/application/queries/get-product.ts', `${shop}/postgres/errors.ts`],
    ['services/product/src/infrastructure/seed.ts', '../application/use-cases.ts'],
    ['services/product/src/infrastructure/seed.ts', '../config.ts'],
    ['services/product/src/infrastructure/seed.ts', '../../../basket/src/domain/basket.ts'],
    ['services/product/src/infrastructure/seed.ts', `${shop}/workers/workers.ts`],
    ['services/product/src/infrastructure/seed.ts', `${shop}/testing/files.ts`],
    ['services/product/src/interfaces/http/product-routes.ts', '../../infrastructure/adapters.ts'],
    ['services/product/src/interfaces/http/product-routes.ts', '../../config.ts'],
    ['services/product/src/interfaces/http/product-routes.ts', '../../jobs/relay.ts'],
    ['services/product/src/jobs/relay.ts', '../interfaces/http/product-json.ts'],
    ['services/product/src/main.ts', '../../basket/src/app.ts'],
    ['packages/kernel/src/errors.ts', 'node:util'],
    ['packages/kernel/src/errors.ts', `${shop}/platform/transports.ts`],
    ['packages/platform/src/transports.ts', `${shop}/postgres/errors.ts`],
    ['packages/platform/src/transports.ts', '../../kernel/src/errors.ts'],
    ['packages/platform/src/transports.ts', '../test/support/grpc.ts'],
    ['packages/redis/src/store.ts', `${shop}/contracts/product/product.ts`],
    ['packages/workers/src/workers.ts', `${shop}/redis/store.ts`],
  ] as const)
    it(`see that ${file} must not import ${specifier}`, () => assert.equal(mayImport(file, specifier), false))

  it('see every form of an import', () => {
    const text =
      "import a from 'a'\nimport type { B } from './b.ts'\nawait import('c')\nexport { d } from 'd'\nimport 'e'"
    assert.deepEqual(importsOf(text), ['a', './b.ts', 'c', 'd', 'e'])
  })
})

describe('a name', () => {
  const files = ['packages', 'services', 'tests', 'scripts', 'bench'].flatMap((folder) =>
    filesOf(folder, '.ts'),
  )

  it('of a file is in kebab-case, and none is a barrel', () => {
    assert.ok(files.length > 200)
    const names = files.map((file) => basename(file))
    assert.deepEqual(
      names.filter((name) => !/^[a-z0-9.-]+\.ts$/.test(name) || name === 'index.ts'),
      [],
    )
  })

  it('of what a use case exports is that of its file', () => {
    const useCases = sources().filter((file) => /application\/(commands|queries)\/[a-z-]+\.ts$/.test(file))
    assert.ok(useCases.length > 10)
    for (const file of useCases) {
      const name = basename(file, '.ts').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
      assert.match(textOf(file), new RegExp(`^export const ${name} =`, 'm'), file)
    }
  })

  it('of something that is about a shop is in no package that is not', () => {
    const words = /basket|stock|product(?!ion)/i
    const about = sources()
      .filter((file) => /^packages\/(kernel|platform|postgres|redis|workers)\//.test(file))
      .filter((file) => words.test(textOf(file)))
    assert.deepEqual(about, [])
    assert.ok(words.test('the product database') && !words.test('in production'))
  })
})
