/** Locks a folder, prints `locked`, and exits unless the mode is `stay`. Arguments: folder, mode. */
import { setTimeout as delay } from 'node:timers/promises'
import { lockFolder } from '../../../src/embedded/folder-lock.ts'
import { run } from '../../../src/process/lifecycle.ts'

const [folder = '', mode] = process.argv.slice(2)

await run(async () => {
  using _ = lockFolder(folder)
  process.stdout.write('locked\n')
  if (mode === 'stay') await delay(3_600_000)
})
