import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { innocentAddress, sized } from './form.ts'
import type { Shop } from './shop.ts'

/** What happened to the innocent client's requests; times in milliseconds. */
export type Served = Readonly<{
  requests: number
  failures: readonly string[]
  p50: number
  p99: number
  max: number
}>

const summaryOf = (answers: readonly Readonly<{ ms: number; failure?: string }>[]): Served => {
  const times = answers.map(({ ms }) => ms).toSorted((one, other) => one - other)
  const percentile = (share: number) =>
    Math.round(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0)
  const failures = answers.flatMap(({ failure }) => (failure === undefined ? [] : [failure]))
  return { requests: times.length, failures, p50: percentile(0.5), p99: percentile(0.99), max: percentile(1) }
}

/**
 * A client that does nothing wrong: 40 requests a second from an address of its own, which are a product, a short list,
 * an add to its basket, its basket, and health.
 */
export const openInnocent = async ({ product, basket, authorization = '' }: Shop) => {
  const file = fileURLToPath(new URL('innocent-client.ts', import.meta.url))
  const client = fork(file, [product.url, basket.url, innocentAddress, sized('patient', ''), authorization], {
    execArgv: [],
  })
  const exited = once(client, 'exit')
  await once(client, 'message')
  return {
    /** Sends while `work` runs. Resolves when all requests are answered. */
    during: async (work: () => Promise<unknown>): Promise<Served> => {
      client.send('start')
      try {
        await work()
      } finally {
        client.send('stop')
      }
      const [answers] = await once(client, 'message')
      return summaryOf(answers)
    },
    [Symbol.asyncDispose]: async () => {
      client.kill()
      await exited
    },
  }
}

export type Innocent = Awaited<ReturnType<typeof openInnocent>>
