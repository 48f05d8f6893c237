import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { Client, credentials } from '@grpc/grpc-js'
import { BatchGetProductsRequest, GetProductRequest } from '@shop/contracts/product/product.ts'
import type { GrpcLoad } from './grpc-load.ts'
import type { Outcome } from './http-load.ts'

const execute = promisify(execFile)

/** A message as gRPC sends it: a byte that says "not compressed", its length in four bytes, and its content. */
const framed = (content: Uint8Array): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(content.length, 1)
  return Buffer.concat([head, content])
}

const requestOf = (ids: readonly number[]) =>
  ids.length === 1
    ? { method: 'GetProduct', message: GetProductRequest.encode({ id: ids[0] ?? 0 }).finish() }
    : {
        method: 'BatchGetProducts',
        message: BatchGetProductsRequest.encode({ ids: [...ids], readMask: undefined }).finish(),
      }

/** Each line of the log has the start, the status and the duration in microseconds of a call. */
const durationsIn = (log: string) => {
  const durations = createHistogram()
  for (const line of log.split('\n')) {
    const duration = Number(line.split('\t')[2])
    if (duration > 0) durations.record(duration)
  }
  return durations
}

/** The bytes of an answer to the message, with its frame. */
const answerSize = (address: string, path: string, message: Uint8Array): Promise<number> =>
  new Promise((resolve, reject) => {
    const client = new Client(address, credentials.createInsecure())
    const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes)
    client.makeUnaryRequest(path, asBuffer, asBuffer, message, (error, answer = Buffer.alloc(0)) => {
      client.close()
      if (error) reject(error)
      else resolve(framed(answer).length)
    })
  })

/**
 * Repeats the first of the calls with h2load of nghttp2, which is faster than a client in Node.js. It does not
 * read the status of gRPC, so the successful calls are counted by their bytes: a refused one has none.
 */
export const driveWithH2load = async ({
  address,
  calls,
  concurrency,
  seconds,
}: GrpcLoad): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const { method, message } = requestOf(calls[0] ?? [])
    const path = `/product.ProductService/${method}`
    const size = await answerSize(address, path, message)
    const [body, log] = [join(folder, 'message'), join(folder, 'log')]
    writeFileSync(body, framed(message))
    // A server allows 100 calls on a connection, ours too.
    const connections = Math.max(Math.min(4, concurrency), Math.ceil(concurrency / 100))
    const options = [
      `-c${connections}`,
      `-m${Math.ceil(concurrency / connections)}`,
      `-D${seconds}`,
      `-d${body}`,
      `--log-file=${log}`,
      '--header=content-type: application/grpc',
      '--header=te: trailers',
    ]
    const { stdout } = await execute('h2load', [...options, `http://${address}${path}`])
    const [, requests] = /(\d+) done/.exec(stdout)?.map(Number) ?? []
    const [, bytes] = /\((\d+)\) data/.exec(stdout)?.map(Number) ?? []
    if (!requests || bytes === undefined) throw new Error(`h2load reports nothing: ${stdout}`)
    const succeeded = Math.min(requests, Math.floor(bytes / size))
    const durations = durationsIn(readFileSync(log, 'utf8'))
    const [p50, p99] = [durations.percentile(50) / 1_000, durations.percentile(99) / 1_000]
    return { requests, rate: succeeded / seconds, failed: requests - succeeded, p50, p99 }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
