import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'

/** What is in a file, or the rule that it breaks, to be put after the name of the variable that names it. */
export type FileContent = Readonly<{ bytes: Buffer } | { problem: string }>

// Without O_NONBLOCK, opening a named pipe would wait for somebody who writes to it.
const flags = constants.O_RDONLY | constants.O_NONBLOCK

const notFile: FileContent = { problem: 'must name a file, not a folder, pipe or device' }

const openingProblem = (error: unknown): FileContent => ({
  problem:
    error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))
      ? 'must name an existing file'
      : 'must name a file that can be read',
})

/** Takes what was read of at most one byte more than the limit. The copy does not keep the rest of the buffer in memory. */
const contentOf = (bytes: Buffer, maxBytes: number): FileContent =>
  bytes.length > maxBytes
    ? { problem: `must name a file of at most ${maxBytes} bytes` }
    : { bytes: Buffer.from(bytes) }

/** Reads a file of at most `maxBytes`. For the start of a process: it waits. */
export const readFileOnce = (path: string, maxBytes: number): FileContent => {
  try {
    const file = openSync(path, flags)
    try {
      if (!fstatSync(file).isFile()) return notFile
      const buffer = Buffer.allocUnsafe(maxBytes + 1)
      let length = 0
      let count: number
      do {
        count = readSync(file, buffer, length, buffer.length - length, null)
        length += count
      } while (count > 0 && length < buffer.length)
      return contentOf(buffer.subarray(0, length), maxBytes)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return openingProblem(error)
  }
}

/** Like `readFileOnce`, for a process that serves. */
export const readFileAgain = async (path: string, maxBytes: number): Promise<FileContent> => {
  try {
    await using file = await open(path, flags)
    if (!(await file.stat()).isFile()) return notFile
    const buffer = Buffer.allocUnsafe(maxBytes + 1)
    let length = 0
    let count: number
    do {
      count = (await file.read(buffer, length, buffer.length - length, null)).bytesRead
      length += count
    } while (count > 0 && length < buffer.length)
    return contentOf(buffer.subarray(0, length), maxBytes)
  } catch (error) {
    return openingProblem(error)
  }
}
