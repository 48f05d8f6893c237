/** Locks the folder of its first argument and says so; keeps it, when the second argument says so, until it is ended. */
import { setTimeout as delay } from 'node:timers/promises'
import { lockFolder } from '../../../src/embedded/folder-lock.ts'
import { run } from '../../../src/process/lifecycle.ts'

const [folder = '', then] = process.argv.slice(2)

await run(async () => {
  using _ = lockFolder(folder)
  process.stdout.write('locked\n')
  if (then === 'stay') await delay(3_600_000)
})
