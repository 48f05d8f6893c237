import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { findCycles, groupGraph, importGraph, readSource, sourceFiles } from './imports.ts'

/** The package or service of a file and its first folder below `src`; the file itself if it lies directly in `src`. */
const folderOf = (file: string): string => {
  const [area, name, , folder = ''] = file.split('/')
  return `${area}/${name}/${folder}`
}

describe('import cycles', () => {
  const graph = importGraph(new Map(sourceFiles().map((file) => [file, readSource(file)])))

  it('do not exist between files, including type and dynamic imports', () => {
    assert.ok([...graph.values()].reduce((sum, { size }) => sum + size, 0) > 300)
    assert.deepEqual(findCycles(graph), [])
  })

  it('do not exist between folders of a package, or between packages', () => {
    const packages = new Map([...graph].filter(([file]) => file.startsWith('packages/')))
    assert.deepEqual(findCycles(groupGraph(packages, folderOf)), [])
    assert.deepEqual(
      findCycles(groupGraph(graph, (file) => dirname(file).split('/').slice(0, 2).join('/'))),
      [],
    )
  })

  const graphOfSources = (sources: Readonly<Record<string, string>>) =>
    importGraph(new Map(Object.entries(sources)))

  for (const [kind, importOfA] of [
    ['a type import', "import type { A } from './a.ts'"],
    ['a dynamic import', "const load = () => import('./a.ts')"],
    ['a re-export', "export { a } from './a.ts'"],
    ['an import by package name', "import { a } from '@shop/platform/a.ts'"],
  ] as const)
    it(`are found when ${kind} closes them`, () => {
      const folder = 'packages/platform/src'
      const twoFiles = graphOfSources({
        [`${folder}/a.ts`]: "import { b } from './b.ts'",
        [`${folder}/b.ts`]: importOfA,
      })
      assert.deepEqual(findCycles(twoFiles), [`${folder}/a.ts → ${folder}/b.ts → ${folder}/a.ts`])
    })

  it('are found among three files, and between folders whose files form no cycle', () => {
    const threeFiles = graphOfSources({
      'packages/a/src/one.ts': "import './two.ts'",
      'packages/a/src/two.ts': "import './three.ts'",
      'packages/a/src/three.ts': "import './one.ts'",
    })
    assert.equal(findCycles(threeFiles).length, 1)
    const twoFolders = graphOfSources({
      'packages/a/src/http/one.ts': "import '../grpc/two.ts'",
      'packages/a/src/grpc/two.ts': '',
      'packages/a/src/grpc/three.ts': "import '../http/four.ts'",
      'packages/a/src/http/four.ts': '',
    })
    assert.deepEqual(findCycles(twoFolders), [])
    assert.equal(findCycles(groupGraph(twoFolders, folderOf)).length, 1)
  })
})
