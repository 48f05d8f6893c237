import { rename, rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { run } from '@shop/platform/process/lifecycle.ts'
import { print } from './catalog.ts'
import { checksumOf } from './checksum.ts'
import { reserveDump, restoreTarget } from './dump-file.ts'
import { databaseName, runTool, serverConfig } from './pg-tools.ts'

const folder = 'backups'

/** The name with only letters, digits, `.`, `_` and `-`, which need no quotes in a shell and in make. */
const fileNameOf = (name: string): string => name.replace(/[^\p{L}\p{M}\p{N}._-]/gu, '_')

await run(async () => {
  const config = serverConfig()
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const file = reserveDump(folder, `${fileNameOf(databaseName(config))}-${stamp}`)
  // The dump gets its final name only once it is complete.
  const temporaryFile = `${file}.unfinished`
  try {
    await runTool(config, 'pg_dump', ['--format=custom', `--file=${temporaryFile}`])
  } catch (error) {
    // A file that cannot be removed must not hide why the backup failed.
    await rm(temporaryFile, { force: true }).catch(() => print(`${temporaryFile} could not be removed.`))
    throw error
  }
  await writeFile(`${file}.sha256`, `${await checksumOf(temporaryFile)}  ${basename(file)}\n`)
  await rename(temporaryFile, file)
  print(`Wrote ${file} and its checksum. Restore it with: make ${restoreTarget} FILE=${file}`)
})
