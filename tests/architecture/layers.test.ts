import assert from 'node:assert/strict'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf } from '@shop/testing/files.ts'
import { importsOf, packageOf, readSource, sourceFiles } from './imports.ts'

/** What a layer may import: layers of its own service, workspace packages, and whether other modules are allowed. */
type Layer = Readonly<{ layers: readonly string[]; packages: readonly string[]; others: boolean }>

/** Every package a service layer may use. `workers` is missing: only service.ts knows about processes. */
const layerPackages = ['kernel', 'platform', 'contracts', 'postgres', 'redis']
const layers: Readonly<Record<string, Layer>> = {
  domain: { layers: ['domain'], packages: ['kernel'], others: false },
  application: { layers: ['application', 'domain'], packages: ['kernel'], others: false },
  infrastructure: { layers: ['infrastructure', 'domain'], packages: layerPackages, others: true },
  interfaces: { layers: ['interfaces', 'application', 'domain'], packages: layerPackages, others: true },
  jobs: { layers: ['jobs', 'application', 'domain'], packages: layerPackages, others: true },
}

/** Which other packages, or which folders of them, a package may import, and whether modules from elsewhere are allowed. */
const packages: Readonly<Record<string, Omit<Layer, 'layers'>>> = {
  kernel: { packages: [], others: false },
  // Of the contracts, only the messages that every gRPC service sends.
  platform: { packages: ['kernel', 'contracts/google'], others: true },
  postgres: { packages: ['kernel', 'platform'], others: true },
  redis: { packages: ['kernel', 'platform'], others: true },
  workers: { packages: ['kernel', 'platform'], others: true },
  testing: { packages: ['kernel', 'platform', 'contracts', 'postgres', 'redis'], others: true },
}

/** The first folder below a service's `src`; for a file directly in `src`, its name without the extension. */
const layerOf = (path: string): string => (path.split('/')[3] ?? '').replace(/\.ts$/, '')

const isAllowed = (specifier: string, rules: Omit<Layer, 'layers'>): boolean => {
  const name = packageOf(specifier)
  return name === undefined
    ? rules.others
    : rules.packages.some((allowed) => specifier.startsWith(`@shop/${allowed}/`))
}

/** Whether a file, given relative to the project root, may import this specifier. */
const mayImport = (file: string, specifier: string): boolean => {
  const [area = '', name = ''] = file.split('/')
  const home = `${area}/${name}/`
  if (specifier.startsWith('.')) {
    const target = join(dirname(file), specifier)
    // The manifest is allowed because it holds the version.
    if (!target.startsWith(`${home}src/`)) return target === `${home}package.json`
    const rules = area === 'services' ? layers[layerOf(file)] : undefined
    return rules === undefined || rules.layers.includes(layerOf(target))
  }
  if (area === 'packages') return isAllowed(specifier, packages[name] ?? { packages: [], others: false })
  const rules = layers[layerOf(file)]
  return rules === undefined || isAllowed(specifier, rules)
}

describe('the import rules of layers and packages', () => {
  it('hold for every source file', () => {
    const files = sourceFiles()
    assert.ok(files.length > 100)
    const violations = files.flatMap((file) =>
      importsOf(readSource(file))
        .filter((specifier) => !mayImport(file, specifier))
        .map((specifier) => `${file} must not import ${specifier}`),
    )
    assert.deepEqual(violations, [])
  })

  for (const [file, specifier] of [
    ['services/product/src/domain/product.ts', '../infrastructure/adapters.ts'],
    ['services/product/src/domain/product.ts', '@shop/platform/logging/logger.ts'],
    ['services/product/src/domain/product.ts', 'node:fs'],
    ['services/product/src/application/queries/get-product.ts', '../../interfaces/http/product-json.ts'],
    ['services/product/src/application/queries/get-product.ts', 'kysely'],
    ['services/product/src/application/queries/get-product.ts', '@shop/postgres/errors.ts'],
    ['services/product/src/infrastructure/sample-products.ts', '../application/use-cases.ts'],
    ['services/product/src/infrastructure/sample-products.ts', '../config.ts'],
    ['services/product/src/infrastructure/sample-products.ts', '../../../basket/src/domain/basket.ts'],
    ['services/product/src/infrastructure/sample-products.ts', '@shop/workers/workers.ts'],
    ['services/product/src/infrastructure/sample-products.ts', '@shop/testing/files.ts'],
    ['services/product/src/interfaces/http/product-routes.ts', '../../infrastructure/adapters.ts'],
    ['services/product/src/interfaces/http/product-routes.ts', '../../config.ts'],
    ['services/product/src/interfaces/http/product-routes.ts', '../../jobs/relay.ts'],
    ['services/product/src/jobs/relay.ts', '../interfaces/http/product-json.ts'],
    ['services/product/src/main.ts', '../../basket/src/app.ts'],
    ['packages/kernel/src/errors.ts', 'node:util'],
    ['packages/kernel/src/errors.ts', '@shop/platform/transports.ts'],
    ['packages/platform/src/transports.ts', '@shop/postgres/errors.ts'],
    ['packages/platform/src/transports.ts', '@shop/contracts/product/product.ts'],
    ['packages/platform/src/transports.ts', '../../kernel/src/errors.ts'],
    ['packages/platform/src/transports.ts', '../test/support/grpc.ts'],
    ['packages/redis/src/store.ts', '@shop/contracts/product/product.ts'],
    ['packages/workers/src/workers.ts', '@shop/redis/store.ts'],
  ] as const)
    it(`forbid ${file} to import ${specifier}`, () => assert.equal(mayImport(file, specifier), false))

  it('apply to every form of import', () => {
    const text =
      "import a from 'a'\nimport type { B } from './b.ts'\nawait import('c')\nexport { d } from 'd'\nimport 'e'"
    assert.deepEqual(importsOf(text), ['a', './b.ts', 'c', 'd', 'e'])
  })
})

describe('naming rules', () => {
  const files = ['packages', 'services', 'tests', 'scripts', 'bench'].flatMap((folder) =>
    filesOf(folder, '.ts'),
  )

  it('require file names in kebab-case and forbid barrel files', () => {
    assert.ok(files.length > 200)
    // Generated files have the names of their proto files, which are in snake case.
    const named = files.filter((file) => !file.includes('/contracts/src/'))
    const names = named.map((file) => basename(file))
    assert.deepEqual(
      names.filter((name) => !/^[a-z0-9.-]+\.ts$/.test(name) || name === 'index.ts'),
      [],
    )
  })

  it('require each use case file to export a constant of the same name in camel case', () => {
    const useCases = sourceFiles().filter((file) =>
      /application\/(commands|queries)\/[a-z-]+\.ts$/.test(file),
    )
    assert.ok(useCases.length > 10)
    for (const file of useCases) {
      const name = basename(file, '.ts').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
      assert.match(readSource(file), new RegExp(`^export const ${name} =`, 'm'), file)
    }
  })

  it('forbid words such as basket and product in the packages that do not depend on the shop', () => {
    const shopWords = /basket|stock|product(?!ion)/i
    const violations = sourceFiles()
      .filter((file) => /^packages\/(kernel|platform|postgres|redis|workers)\//.test(file))
      .filter((file) => shopWords.test(readSource(file)))
    assert.deepEqual(violations, [])
    assert.ok(shopWords.test('the product database') && !shopWords.test('in production'))
  })
})
