/** Runs the program and arguments in its own arguments, with standard output on a full disk. */
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'

const { status, stderr } = spawnSync(process.execPath, process.argv.slice(2), {
  stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
})
process.stderr.write(stderr)
process.exitCode = status ?? 1
