import { setTimeout as delay } from 'node:timers/promises'
import { type Connection, type Headers, openConnection } from './kept-connection.ts'

/** A response and when it arrived, by the monotonic clock. Status 0: the connection was refused or lost. */
export type Answer = Readonly<{ request: string; status: number; detail: string; at: number; ms: number }>

type Send = (method: string, url: string, body?: unknown) => Promise<number>
type Work = (send: Send, client: number, round: number) => Promise<void>

const failurePauseMs = 20

const percentile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

/** Numbers about the answers, for a report: how many there were of each status, and how fast. */
export const summaryOf = (answers: readonly Answer[]) => {
  const statuses: Record<number, number> = {}
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1
  const times = answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return { statuses, p50: percentile(times, 0.5), p99: percentile(times, 0.99), max: percentile(times, 1) }
}

const recordingSend = (connection: Connection, answers: Answer[]): Send => {
  return async (method, url, body) => {
    const started = performance.now()
    const { status, detail } = await connection.send(method, url, body).then(
      (response) => ({ status: response.status, detail: String(response.body?.detail ?? '') }),
      (error: unknown) => ({ status: 0, detail: String(error) }),
    )
    const at = performance.now()
    answers.push({ request: `${method} ${new URL(url).pathname}`, status, detail, at, ms: at - started })
    if (status === 0 || status >= 500) await delay(failurePauseMs)
    return status
  }
}

/** Starts clients that repeat `work`, each over its own connection, until they are stopped. Every response is recorded. */
export const startRecordedLoad = (clients: number, work: Work, headers: Headers = {}) => {
  const stopping = new AbortController()
  const answers: Answer[] = []
  const running = Array.from({ length: clients }, async (_, client) => {
    using connection = openConnection(headers)
    const send = recordingSend(connection, answers)
    for (let round = 0; !stopping.signal.aborted; round++) await work(send, client, round)
  })
  const stop = async (): Promise<readonly Answer[]> => {
    stopping.abort()
    await Promise.all(running)
    return answers
  }
  return {
    answers: answers as readonly Answer[],
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  }
}
