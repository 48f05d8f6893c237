import { spawnSync } from 'node:child_process'
import { cp, mkdtempDisposable, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '@shop/testing/files.ts'
import openapiTS, { astToString } from 'openapi-typescript'

export const services = ['product', 'basket'] as const

type Parameter = { name?: string; required?: boolean }
type Document = { paths: Record<string, Record<string, { parameters?: Parameter[] }>> }

export const documentOf = async (service: string): Promise<Document> =>
  JSON.parse(await readFile(join(root, `api/openapi/${service}.json`), 'utf8'))

/** A folder with `shop.ts` and the types that it imports, generated from the documents after `change`. */
export const openClient = async (change: (document: Document) => void = () => {}) => {
  const folder = await mkdtempDisposable(join(tmpdir(), 'shop-client-'))
  for (const service of services) {
    const document = await documentOf(service)
    change(document)
    await writeFile(
      join(folder.path, `${service}.ts`),
      astToString(await openapiTS(JSON.stringify(document))),
    )
  }
  await cp(join(import.meta.dirname, 'shop.ts'), join(folder.path, 'shop.ts'))
  await symlink(join(root, 'node_modules'), join(folder.path, 'node_modules'))
  await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }')
  const config = { extends: join(root, 'tsconfig.json'), include: ['*.ts'], exclude: [] }
  await writeFile(join(folder.path, 'tsconfig.json'), JSON.stringify(config))
  return folder
}

/** Compiles the client. Returns the errors. */
export const compile = (cwd: string): string => {
  const { stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/tsc'), { cwd, encoding: 'utf8' })
  return stdout + stderr
}
