/** Generates gRPC load in a child process: receives the load from the parent and sends the outcome back. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createHistogram } from 'node:perf_hooks'
import { type ClientUnaryCall, credentials, Metadata } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import { askChild } from './child.ts'
import type { Outcome } from './http-load.ts'

export type GrpcLoad = Readonly<{
  address: string
  /** The product ids of each call: GetProduct for a single id, otherwise BatchGetProducts. */
  calls: readonly (readonly number[])[]
  concurrency: number
  seconds: number
  /** The metadata of that name. */
  authorization?: string | undefined
  /** The file with the authority of the server's certificate, if the server ends TLS. */
  ca?: string | undefined
}>

type Call = (ids: readonly number[], done: (error: unknown) => void) => ClientUnaryCall

const createCall = (client: ProductServiceClient, authorization: string | undefined): Call => {
  const metadata = new Metadata()
  if (authorization !== undefined) metadata.set('authorization', authorization)
  return (ids, done) =>
    ids.length === 1
      ? client.getProduct({ id: ids[0] ?? 0 }, metadata, done)
      : client.batchGetProducts({ ids: [...ids], readMask: undefined }, metadata, done)
}

const generateLoad = async (load: GrpcLoad): Promise<Outcome> => {
  const { address, calls, concurrency, seconds, authorization, ca } = load
  const channel = ca === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(ca))
  const client = new ProductServiceClient(address, channel)
  const call = createCall(client, authorization)
  const durations = createHistogram()
  const startTime = performance.now()
  let [sent, succeeded, failed] = [0, 0, 0]
  const callRepeatedly = (done: () => void): void => {
    if (performance.now() - startTime > seconds * 1_000) return done()
    const callTime = performance.now()
    call(calls[sent++ % calls.length] ?? [], (error) => {
      durations.record(Math.max(1, Math.round((performance.now() - callTime) * 1_000)))
      if (error === null) succeeded += 1
      else failed += 1
      callRepeatedly(done)
    })
  }
  await Promise.all(Array.from({ length: concurrency }, () => new Promise<void>(callRepeatedly)))
  const elapsed = (performance.now() - startTime) / 1_000
  client.close()
  const [p50, p99] = [durations.percentile(50) / 1_000, durations.percentile(99) / 1_000]
  return { requests: succeeded + failed, rate: succeeded / elapsed, failed, p50, p99 }
}

/** Generates the load in a child process and resolves with the outcome. */
export const driveGrpc = (load: GrpcLoad): Promise<Outcome> => askChild(import.meta.filename, load)

if (process.argv[1] === import.meta.filename && process.send !== undefined) {
  const [load] = (await once(process, 'message')) as [GrpcLoad]
  process.send(await generateLoad(load))
  process.disconnect?.()
}
