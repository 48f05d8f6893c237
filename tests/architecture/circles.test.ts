import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { circlesIn, graphOf, groupedBy, sources, textOf } from './imports.ts'

/** The folder of a file below `src`, or the file itself when it lies there alone. */
const roomOf = (file: string): string => {
  const [area, name, , room = ''] = file.split('/')
  return `${area}/${name}/${room}`
}

describe('no circle', () => {
  const graph = graphOf(new Map(sources().map((file) => [file, textOf(file)])))

  it('is between files, imports of types and dynamic ones counted', () => {
    assert.ok([...graph.values()].reduce((sum, { size }) => sum + size, 0) > 300)
    assert.deepEqual(circlesIn(graph), [])
  })

  it('is between the rooms of a package, or between packages', () => {
    const packages = new Map([...graph].filter(([file]) => file.startsWith('packages/')))
    assert.deepEqual(circlesIn(groupedBy(packages, roomOf)), [])
    assert.deepEqual(
      circlesIn(groupedBy(graph, (file) => dirname(file).split('/').slice(0, 2).join('/'))),
      [],
    )
  })

  const planted = (texts: Readonly<Record<string, string>>) => graphOf(new Map(Object.entries(texts)))
  const shop = '@shop'

  for (const [what, back] of [
    ['a type', "import type { A } from './a.ts'"],
    ['a dynamic import', "const load = () => import('./a.ts')"],
    ['an export', "export { a } from './a.ts'"],
    ['the name of the package', `import { a } from '${shop}/platform/a.ts'`],
  ] as const)
    it(`goes unseen that is closed by ${what}`, () => {
      const folder = 'packages/platform/src'
      const graphOfTwo = planted({
        [`${folder}/a.ts`]: "import { b } from './b.ts'",
        [`${folder}/b.ts`]: back,
      })
      assert.deepEqual(circlesIn(graphOfTwo), [`${folder}/a.ts → ${folder}/b.ts → ${folder}/a.ts`])
    })

  it('of three goes unseen, nor one between rooms whose files have none', () => {
    const three = planted({
      'packages/a/src/one.ts': "import './two.ts'",
      'packages/a/src/two.ts': "import './three.ts'",
      'packages/a/src/three.ts': "import './one.ts'",
    })
    assert.equal(circlesIn(three).length, 1)
    const rooms = planted({
      'packages/a/src/http/one.ts': "import '../grpc/two.ts'",
      'packages/a/src/grpc/two.ts': '',
      'packages/a/src/grpc/three.ts': "import '../http/four.ts'",
      'packages/a/src/http/four.ts': '',
    })
    assert.deepEqual(circlesIn(rooms), [])
    assert.equal(circlesIn(groupedBy(rooms, roomOf)).length, 1)
  })
})
