import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { createBudget } from '../../limits/budget.ts'
import type { Client } from '../../limits/client.ts'
import { fairQueue } from '../../limits/fair-queue.ts'
import { mebibyte } from '../../limits/limits.ts'
import type { Coding } from './negotiation.ts'

// The default quality of 11 takes 960 ms for 250 KB of JSON, this one 5 ms.
export const brotliParams = { [constants.BROTLI_PARAM_QUALITY]: 4 }
const [compressBrotli, compressGzip] = [promisify(brotliCompress), promisify(gzip)]

/** Run in Node's thread pool, not on the event loop. */
const compressors: Readonly<Record<Coding, (body: Buffer) => Promise<Buffer>>> = {
  br: (body) => compressBrotli(body, { params: brotliParams }),
  gzip: (body) => compressGzip(body),
}

/**
 * As many as Node.js has threads for them. It would begin all at once, and each takes 1 MiB with brotli: 200 pages took 190
 * MiB, measured.
 */
const maxRunning = 4

/** Bytes of bodies that are or wait to be compressed: two cores need 0.2 s for all, and 50 ms for those of one client. */
const waitingBytes = { total: 16 * mebibyte, share: 4 * mebibyte }

type Job = () => Promise<unknown>

/** Runs a limited number of jobs at a time. The clients take turns. */
const createJobs = () => {
  const queue = fairQueue<Job>()
  let running = 0
  const startNext = (): void => {
    const job = running < maxRunning ? queue.shift() : undefined
    if (job === undefined) return
    running += 1
    void job().finally(() => {
      running -= 1
      startNext()
    })
  }
  return (client: Client, job: Job): void => {
    queue.add(client, job)
    startNext()
  }
}

/** Returns a function that compresses bodies. Responses that share a buffer share its compressed forms. */
export const createBodyCompressor = () => {
  const budget = createBudget(waitingBytes)
  const addJob = createJobs()
  const compressedBodies = new WeakMap<Buffer, Partial<Record<Coding, Promise<Buffer>>>>()

  const begin = (client: Client, body: Buffer, coding: Coding): Promise<Buffer> => {
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    addJob(client, () => {
      const compressed = compressors[coding](body).finally(() => budget.giveBack(client, body.length))
      resolve(compressed)
      return compressed.catch(() => {})
    })
    return promise
  }

  /** Returns undefined if too much waits already: the body is then sent as it is, unless it must be compressed. */
  return (client: Client, body: Buffer, coding: Coding, isRequired: boolean): Promise<Buffer> | undefined => {
    const known = compressedBodies.get(body) ?? {}
    const compressed = known[coding]
    if (compressed !== undefined) return compressed
    if (isRequired) budget.takeAnyway(client, body.length)
    else if (budget.take(client, body.length) !== undefined) return undefined
    compressedBodies.set(body, known)
    return (known[coding] = begin(client, body, coding))
  }
}
