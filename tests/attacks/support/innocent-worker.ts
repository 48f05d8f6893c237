/** The innocent client: a thread of its own, so that its latencies contain no work of the attacker. */
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

type Urls = Readonly<{ product: string; basket: string; localAddress: string }>
const { product, basket, localAddress } = workerData as Urls

const intervalMs = 25
const timeoutMs = 20_000

/** 64 connections at most: fewer than the share of one client. */
const agent = new Agent({ keepAlive: true, maxSockets: 64, localAddress })

const requests = [
  ['GET', () => `${product}/products/1`, undefined],
  ['GET', () => `${product}/products?limit=10`, undefined],
  [
    'POST',
    () => `${basket}/baskets/innocent/items`,
    (n: number) => ({ product_id: 1 + (n % 50), quantity: 1 }),
  ],
  ['GET', () => `${basket}/baskets/innocent`, undefined],
  ['GET', (n: number) => `${n % 2 === 0 ? product : basket}/health/ready`, undefined],
] as const

/** Resolves with the status and the text of a failure; 0 if there was no answer. */
const send = (method: string, url: string, body: object | undefined): Promise<readonly [number, string]> =>
  new Promise((resolve) => {
    const sent = request(url, {
      agent,
      method,
      ...(body && { headers: { 'content-type': 'application/json' } }),
    })
    const timer = setTimeout(() => sent.destroy(new Error('no answer in 20 s')), timeoutMs)
    const finish = (status: number, text: string) => {
      clearTimeout(timer)
      resolve([status, text])
    }
    sent
      .on('response', (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => finish(response.statusCode ?? 0, text))
        response.on('error', (error) => finish(0, String(error)))
      })
      .on('error', (error: NodeJS.ErrnoException) => {
        // A server may close a kept connection at the moment it is used again: clients then send once more.
        const isStale = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
        if (!isStale) return finish(0, String(error))
        clearTimeout(timer)
        void send(method, url, body).then(resolve)
      })
      .end(body && JSON.stringify(body))
  })

type Answer = Readonly<{ ms: number; failure?: string }>
let answers: Promise<Answer>[] = []
let isRunning = false
let count = 0

const sendNext = async (): Promise<Answer> => {
  const [method, urlOf, bodyOf] = requests[count % requests.length] ?? requests[0]
  const round = Math.floor(count++ / requests.length)
  const url = urlOf(round)
  const started = performance.now()
  const [status, text] = await send(method, url, bodyOf?.(round))
  const ms = performance.now() - started
  return status >= 200 && status < 300
    ? { ms }
    : { ms, failure: `${method} ${url} → ${status} ${text.slice(0, 300)}` }
}

/** Sends without waiting for answers, so that slow answers do not mean fewer requests. */
const run = async () => {
  const started = performance.now()
  for (let sent = 0; isRunning; sent++) {
    answers.push(sendNext())
    await delay(Math.max(0, started + (sent + 1) * intervalMs - performance.now()))
  }
}

let running: Promise<void> | undefined
parentPort?.on('message', async (message: 'start' | 'stop') => {
  isRunning = message === 'start'
  if (isRunning) {
    answers = []
    running = run()
    return
  }
  await running
  parentPort?.postMessage(await Promise.all(answers))
})
