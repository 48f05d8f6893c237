import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { filesOf, root } from '@shop/testing/files.ts'

/** The specifiers that a source text imports, including type imports, dynamic imports and re-exports. */
export const importsOf = (text: string): string[] =>
  [...text.matchAll(/\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g)].map(([, specifier]) => specifier ?? '')

/** The name of the imported workspace package; undefined for any other specifier. */
export const packageOf = (specifier: string): string | undefined =>
  /^@shop\/([a-z-]+)(?:\/|$)/.exec(specifier)?.[1]

/** The imported file, relative to the project root; undefined for third-party modules. */
const targetOf = (file: string, specifier: string): string | undefined => {
  if (specifier.startsWith('.')) return join(dirname(file), specifier)
  const name = packageOf(specifier)
  return name && `packages/${name}/src/${specifier.split('/').slice(2).join('/')}`
}

/** The source files of packages and services, relative to the project root, without the generated contracts. */
export const sourceFiles = (): string[] =>
  ['packages/*/src', 'services/*/src']
    .flatMap((folder) => filesOf(folder, '.ts'))
    .map((file) => relative(root, file))
    .filter((file) => !file.startsWith('packages/contracts/'))

export const readSource = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Maps each file, or group of files, to those that it imports. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** The imports among the given files (path → source text). */
export const importGraph = (sources: ReadonlyMap<string, string>): Graph =>
  new Map(
    [...sources].map(([file, text]) => {
      const targets = importsOf(text).map((specifier) => targetOf(file, specifier))
      return [
        file,
        new Set(targets.filter((target) => target !== undefined && sources.has(target)) as string[]),
      ]
    }),
  )

/** The same graph between groups of files; imports within a group are dropped. */
export const groupGraph = (graph: Graph, groupOf: (file: string) => string): Graph => {
  const groups = new Map<string, Set<string>>()
  for (const [file, targets] of graph) {
    const group = groupOf(file)
    const imported = groups.get(group) ?? new Set()
    for (const target of targets) if (groupOf(target) !== group) imported.add(groupOf(target))
    groups.set(group, imported)
  }
  return groups
}

/** Finds cycles by depth-first search. Returns one path, such as `a → b → a`, for each import that closes a cycle. */
export const findCycles = (graph: Graph): string[] => {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node)
    if (start >= 0) cycles.push([...path.slice(start), node].join(' → '))
    if (start >= 0 || done.has(node)) return
    for (const next of graph.get(node) ?? []) visit(next, [...path, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return cycles
}
