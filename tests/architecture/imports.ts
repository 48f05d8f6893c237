import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { filesOf, root } from '@shop/testing/files.ts'

/** What a text imports, as it says it: types, dynamic imports and exports from elsewhere included. */
export const importsOf = (text: string): string[] =>
  [...text.matchAll(/\b(?:from|import)\s*\(?\s*'([^'\n]+)'/g)].map(([, specifier]) => specifier ?? '')

/** The name of the workspace package that is imported, if one is. */
export const packageOf = (specifier: string): string | undefined =>
  /^@shop\/([a-z-]+)(?:\/|$)/.exec(specifier)?.[1]

/** The file that an import leads to, from the root of the project; undefined for what is not ours. */
const targetOf = (file: string, specifier: string): string | undefined => {
  if (specifier.startsWith('.')) return join(dirname(file), specifier)
  const name = packageOf(specifier)
  return name && `packages/${name}/src/${specifier.split('/').slice(2).join('/')}`
}

/** The paths of all sources of packages and services, from the root of the project. */
export const sources = (): string[] =>
  ['packages/*/src', 'services/*/src']
    .flatMap((folder) => filesOf(folder, '.ts'))
    .map((file) => relative(root, file))
    .filter((file) => !file.startsWith('packages/contracts/'))

export const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')

/** What leads to what. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** The imports between these files, given by their texts. */
export const graphOf = (texts: ReadonlyMap<string, string>): Graph =>
  new Map(
    [...texts].map(([file, text]) => {
      const targets = importsOf(text).map((specifier) => targetOf(file, specifier))
      return [
        file,
        new Set(targets.filter((target) => target !== undefined && texts.has(target)) as string[]),
      ]
    }),
  )

/** The same between groups of files; what a group imports of itself does not count. */
export const groupedBy = (graph: Graph, groupOf: (file: string) => string): Graph => {
  const groups = new Map<string, Set<string>>()
  for (const [file, targets] of graph) {
    const group = groupOf(file)
    const found = groups.get(group) ?? new Set()
    for (const target of targets) if (groupOf(target) !== group) found.add(groupOf(target))
    groups.set(group, found)
  }
  return groups
}

/** One way round for each place that leads back to itself: `a → b → a`. */
export const circlesIn = (graph: Graph): string[] => {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (node: string, path: readonly string[]): void => {
    const at = path.indexOf(node)
    if (at >= 0) circles.push([...path.slice(at), node].join(' → '))
    if (at >= 0 || done.has(node)) return
    for (const next of graph.get(node) ?? []) visit(next, [...path, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return circles
}
