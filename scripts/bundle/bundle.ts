import { readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import * as esbuild from 'esbuild'

/**
 * Bundles services for the images: docs/decisions/0059-images-run-bundles.md. Run it in the root of the project, with
 * the names of the services. `services/<name>/src/main.ts` becomes `services/<name>/dist/main.js`.
 */

/** Optional dependencies, which the images do not have. */
const external = ['@electric-sql/*', 'pg-cloudflare', 'pg-native']

/** Declares, at the head of each file, what only single modules have. */
const head = [
  "import { createRequire as createRequireOfBundle } from 'node:module'",
  'const require = createRequireOfBundle(import.meta.url)',
  'const folderOfBundle = import.meta.dirname',
].join('\n')

/** Modules go on to find the files beside their source, which is in the image too. */
const keepPaths = (outdir: string): esbuild.Plugin => ({
  name: 'keep-paths',
  setup: (build) => {
    build.onLoad({ filter: /\.([cm]?js|ts)$/ }, ({ path }) => {
      const folder = `(folderOfBundle + ${JSON.stringify(`/${relative(outdir, dirname(path))}`)})`
      const contents = readFileSync(path, 'utf8')
        .replaceAll(/\bimport\.meta\.dirname\b|\b__dirname\b/g, folder)
        .replaceAll('createRequire(import.meta.url)(', 'require(')
      return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' }
    })
  },
})

for (const service of process.argv.slice(2)) {
  const outdir = join(process.cwd(), 'services', service, 'dist')
  rmSync(outdir, { recursive: true, force: true })
  await esbuild.build({
    entryPoints: [join(outdir, '../src/main.ts')],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    // The names stay, for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: 'linked',
    sourcesContent: false,
    // The images keep the licenses in node_modules.
    legalComments: 'none',
    // That of the project is not in the build context of the images.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    banner: { js: head },
    external,
    plugins: [keepPaths(outdir)],
    logLevel: 'warning',
  })
}
