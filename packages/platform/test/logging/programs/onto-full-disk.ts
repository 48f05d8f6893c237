/** Runs Node.js with the arguments of this program, with standard output redirected to `/dev/full`. */
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'

const { status, stderr } = spawnSync(process.execPath, process.argv.slice(2), {
  stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
})
process.stderr.write(stderr)
process.exitCode = status ?? 1
