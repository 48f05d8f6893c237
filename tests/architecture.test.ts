import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { filesOf, root } from './support/files.ts'

/** What a layer may import: its own service's layers, workspace packages, and whether anything else. */
type Layer = Readonly<{ layers: readonly string[]; packages: readonly string[]; others: boolean }>

const everything = ['kernel', 'platform', 'contracts']
const layers: Readonly<Record<string, Layer>> = {
  domain: { layers: ['domain'], packages: ['kernel'], others: false },
  application: { layers: ['application', 'domain'], packages: ['kernel'], others: false },
  infrastructure: { layers: ['infrastructure', 'domain', 'config'], packages: everything, others: true },
  interfaces: { layers: ['interfaces', 'application', 'domain'], packages: everything, others: true },
}

const packageRules: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  contracts: [],
  platform: ['kernel'],
}

const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier]) => specifier ?? '')

/** The first folder below a service's `src`, or the file's name for those that lie in it. */
const layerOf = (path: string): string => (path.split('/')[0] ?? '').replace(/\.ts$/, '')

/** What is wrong with one import of a file in `layer`, if anything. */
const violation = (service: string, file: string, specifier: string): string | undefined => {
  const source = join(root, 'services', service, 'src')
  const rules = layers[layerOf(relative(source, file))]
  if (rules === undefined) return undefined
  const forbidden = `${relative(root, file)} must not import ${specifier}`
  if (specifier.startsWith('.')) {
    const target = relative(source, join(dirname(file), specifier))
    if (target.startsWith('..')) return forbidden
    return rules.layers.includes(layerOf(target)) ? undefined : forbidden
  }
  const own = /^@shop\/([a-z-]+)\//.exec(specifier)?.[1]
  if (own !== undefined) return rules.packages.includes(own) ? undefined : forbidden
  return rules.others ? undefined : forbidden
}

const violationsOf = (service: string): string[] =>
  filesOf(`services/${service}/src`, '.ts').flatMap((file) =>
    importsOf(readFileSync(file, 'utf8')).flatMap((specifier) => violation(service, file, specifier) ?? []),
  )

describe('architecture', () => {
  for (const service of ['product', 'basket']) {
    it(`keeps the layers of the ${service} service apart`, () => assert.deepEqual(violationsOf(service), []))
  }

  it('sees each kind of violation', () => {
    const at = (path: string) => join(root, 'services/product/src', path)
    const planted: [string, string][] = [
      ['domain/product.ts', '../infrastructure/database.ts'],
      ['domain/product.ts', '@shop/platform/logger.ts'],
      ['domain/product.ts', 'node:fs'],
      ['application/queries/get-product.ts', '../../interfaces/http/product-json.ts'],
      ['application/queries/get-product.ts', 'kysely'],
      ['infrastructure/seed.ts', '../application/use-cases.ts'],
      ['infrastructure/seed.ts', '../../../basket/src/domain/basket.ts'],
      ['interfaces/http/product-routes.ts', '../../infrastructure/database.ts'],
      ['interfaces/http/product-routes.ts', '../../config.ts'],
    ]
    for (const [file, specifier] of planted)
      assert.ok(violation('product', at(file), specifier), `${file} → ${specifier} went unseen`)
    assert.deepEqual(importsOf("import a from 'a'\nimport type { B } from './b.ts'\nawait import('c')"), [
      'a',
      './b.ts',
      'c',
    ])
  })

  it('lets packages depend on the kernel alone', () => {
    const broken = Object.entries(packageRules).flatMap(([name, allowed]) =>
      filesOf(`packages/${name}/src`, '.ts').flatMap((file) =>
        importsOf(readFileSync(file, 'utf8'))
          .map((specifier) => /^@shop\/([a-z-]+)\//.exec(specifier)?.[1])
          .filter((other) => other !== undefined && !allowed.includes(other))
          .map((other) => `${relative(root, file)} must not import @shop/${other}`),
      ),
    )
    assert.deepEqual(broken, [])
  })

  it('names files in kebab-case, has no barrels, and exports what a use case file is named after', () => {
    const files = ['packages', 'services', 'tests', 'scripts'].flatMap((folder) => filesOf(folder, '.ts'))
    assert.deepEqual(
      files.map((file) => basename(file)).filter((name) => !/^[a-z0-9.-]+\.ts$/.test(name)),
      [],
    )
    assert.deepEqual(
      files.filter((file) => basename(file) === 'index.ts'),
      [],
    )
    const useCases = files.filter((file) => /application\/(commands|queries)\/[a-z-]+\.ts$/.test(file))
    assert.ok(useCases.length > 10)
    for (const file of useCases) {
      const name = basename(file, '.ts').replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
      assert.match(readFileSync(file, 'utf8'), new RegExp(`^export const ${name} =`, 'm'))
    }
  })

  it('keeps every source file short enough to read', () => {
    const long = filesOf('packages', '.ts')
      .concat(filesOf('services', '.ts'))
      .filter((file) => file.includes('/src/') && !file.includes('/contracts/'))
      .filter((file) => readFileSync(file, 'utf8').split('\n').length > 300)
    assert.deepEqual(long, [])
  })
})
