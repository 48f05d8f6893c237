const newline = 10

export const linesIn = (bytes: Buffer): number => {
  let count = 0
  for (let at = bytes.indexOf(newline); at >= 0; at = bytes.indexOf(newline, at + 1)) count += 1
  return count
}

/** Lines that wait, and how far the first of them is written. */
export const waitingLines = () => {
  const chunks: Buffer[] = []
  let offset = 0
  let size = 0
  return {
    size: (): number => size,
    lines: (): number =>
      chunks.reduce((sum, chunk, index) => sum + linesIn(index === 0 ? chunk.subarray(offset) : chunk), 0),
    add: (chunk: Buffer): void => {
      chunks.push(chunk)
      size += chunk.length
    },
    next: (): Buffer | undefined => chunks[0]?.subarray(offset),
    wrote: (bytes: number): void => {
      const [first] = chunks
      offset += bytes
      if (first === undefined || offset < first.length) return
      chunks.shift()
      size -= first.length
      offset = 0
    },
    /** Begins again with the line of which a part is written: the rest of it would be in another file. */
    rewind: (): void => {
      const [first] = chunks
      if (first !== undefined && offset > 0) offset = first.lastIndexOf(newline, offset - 1) + 1
    },
    clear: (): void => {
      chunks.length = 0
      offset = 0
      size = 0
    },
  }
}
