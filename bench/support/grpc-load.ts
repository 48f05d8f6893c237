/** Calls an RPC over and over from one process, so many calls at a time: its orders come from the parent, the outcome goes there. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createHistogram } from 'node:perf_hooks'
import { type ClientUnaryCall, credentials } from '@grpc/grpc-js'
import { ProductServiceClient } from '@shop/contracts/product/product.ts'
import type { Outcome } from './load.ts'

export type GrpcLoad = Readonly<{
  address: string
  /** Each element is one call: the ids to ask for, by GetProduct when it is one, else by BatchGetProducts. */
  calls: readonly (readonly number[])[]
  concurrency: number
  seconds: number
}>

type Call = (ids: readonly number[], done: (error: unknown) => void) => ClientUnaryCall

const callOf =
  (client: ProductServiceClient): Call =>
  (ids, done) =>
    ids.length === 1
      ? client.getProduct({ id: ids[0] ?? 0 }, done)
      : client.batchGetProducts({ ids: [...ids] }, done)

const callForSome = async ({ address, calls, concurrency, seconds }: GrpcLoad): Promise<Outcome> => {
  const client = new ProductServiceClient(address, credentials.createInsecure())
  const call = callOf(client)
  const durations = createHistogram()
  const began = performance.now()
  let [asked, answered, failed] = [0, 0, 0]
  const callInTurn = (finished: () => void): void => {
    if (performance.now() - began > seconds * 1_000) return finished()
    const started = performance.now()
    call(calls[asked++ % calls.length] ?? [], (error) => {
      durations.record(Math.max(1, Math.round((performance.now() - started) * 1_000)))
      if (error === null) answered += 1
      else failed += 1
      callInTurn(finished)
    })
  }
  await Promise.all(Array.from({ length: concurrency }, () => new Promise<void>(callInTurn)))
  const took = (performance.now() - began) / 1_000
  client.close()
  const [p50, p99] = [durations.percentile(50) / 1_000, durations.percentile(99) / 1_000]
  return { rate: answered / took, failed, p50, p99 }
}

/** The same in a process of its own. */
export const driveGrpc = async (load: GrpcLoad): Promise<Outcome> => {
  const child = fork(import.meta.filename)
  const exited = once(child, 'exit')
  child.send(load)
  const [outcome] = (await once(child, 'message')) as [Outcome]
  await exited
  return outcome
}

if (process.argv[1] === import.meta.filename && process.send !== undefined) {
  const [load] = (await once(process, 'message')) as [GrpcLoad]
  process.send(await callForSome(load))
  process.disconnect?.()
}
