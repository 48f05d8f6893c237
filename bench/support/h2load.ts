import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { promisify } from 'node:util'
import { BatchGetProductsRequest, GetProductRequest } from '@shop/contracts/product/product.ts'
import type { GrpcLoad } from './grpc-load.ts'
import type { Outcome } from './load.ts'

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

/**
 * Repeats the first of the calls with h2load of nghttp2, which is faster than a client in Node.js. It does not
 * read the status of gRPC: only the transport can fail.
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
    const [body, log] = [join(folder, 'message'), join(folder, 'log')]
    writeFileSync(body, framed(message))
    // A server allows 100 calls on a connection, ours too.
    const connections = Math.max(Math.min(4, concurrency), Math.ceil(concurrency / 100))
    const counts = `-c${connections} -m${Math.ceil(concurrency / connections)} -D${seconds} -d${body} --log-file=${log}`
    const { stdout } = await execute('h2load', [
      ...counts.split(' '),
      '-H',
      'content-type: application/grpc',
      '-H',
      'te: trailers',
      `http://${address}/product.ProductService/${method}`,
    ])
    const [, done, succeeded] = /(\d+) done, (\d+) succeeded/.exec(stdout)?.map(Number) ?? []
    if (done === undefined || succeeded === undefined) throw new Error(`h2load reports nothing: ${stdout}`)
    const durations = durationsIn(readFileSync(log, 'utf8'))
    const [p50, p99] = [durations.percentile(50) / 1_000, durations.percentile(99) / 1_000]
    return { requests: done, rate: succeeded / seconds, failed: done - succeeded, p50, p99 }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
