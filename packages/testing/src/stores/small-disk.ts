import { execFile } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unlessReachable } from './servers.ts'

const run = promisify(execFile)

type Owner = Readonly<{ uid?: number; gid?: number }>

/** Mounts a file system of this size, in KiB, that belongs to the owner. Disposing of it unmounts it. */
export const smallDisk = async (
  kib: number,
  { uid = 0, gid = 0 }: Owner = {},
): Promise<{ folder: string } & AsyncDisposable> => {
  const folder = mkdtempSync(join(tmpdir(), 'disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${kib}k,uid=${uid},gid=${gid},mode=0700`, 'tmpfs', folder])
  } catch (error) {
    rmdirSync(folder)
    throw error
  }
  return {
    folder,
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', folder])
      rmdirSync(folder)
    },
  }
}

/** For a test's `skip`: the reason if file systems cannot be mounted, otherwise false. */
export const withoutMounts = await unlessReachable('mount, as root', async () => {
  const disk = await smallDisk(64)
  await disk[Symbol.asyncDispose]()
})
