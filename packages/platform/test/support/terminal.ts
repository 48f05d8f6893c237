import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { unlessReachable } from '@shop/testing/stores/servers.ts'

/** For a test's `skip`: the reason if no program can be run in a terminal, otherwise false. That of BSD takes other options. */
export const withoutScript = await unlessReachable('script (of util-linux)', () =>
  promisify(execFile)('script', ['--version']),
)
