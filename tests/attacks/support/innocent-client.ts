/**
 * The innocent client: a process of its own, so that its latencies contain no work of the attacker. Sends while its parent
 * says so, and then tells its parent what happened.
 */

import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

const [product = '', basket = '', localAddress = '', patience = '', authorization = ''] =
  process.argv.slice(2)

const intervalMs = 25
const timeoutMs = 20_000

/** 64 connections at most: fewer than the share of one client. */
const agent = new Agent({ keepAlive: true, maxSockets: 64, localAddress })

type Request = Readonly<{ method: string; url: string; body?: object }>

const requests: readonly ((round: number) => Request)[] = [
  () => ({ method: 'GET', url: `${product}/products/1` }),
  () => ({ method: 'GET', url: `${product}/products?limit=10` }),
  (round) => ({
    method: 'POST',
    url: `${basket}/baskets/innocent/items`,
    body: { product_id: 1 + (round % 50), quantity: 1 },
  }),
  () => ({ method: 'GET', url: `${basket}/baskets/innocent` }),
  (round) => ({ method: 'GET', url: `${round % 2 === 0 ? product : basket}/health/ready` }),
]

/** A server may close a kept connection at the moment it is used again: clients then send once more. */
class StaleConnectionError extends Error {}

const respond = ({ method, url, body }: Request) =>
  new Promise<IncomingMessage>((resolve, reject) => {
    const headers = {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(authorization !== '' && { authorization }),
    }
    const sent = request(url, { agent, method, headers, signal: AbortSignal.timeout(timeoutMs) }, resolve)
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const isStale = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
      reject(isStale ? new StaleConnectionError() : error)
    })
    sent.end(body && JSON.stringify(body))
  })

/**
 * The basket service waits 400 ms for a product. On a machine that runs other tests, too, a patient client sends an add
 * again a second later, as `Retry-After` says. It waits as long for the add as for any other response.
 */
const patienceMs = patience === 'patient' ? timeoutMs : 0

const isRetried = ({ method }: Request, { statusCode, headers }: IncomingMessage, started: number): boolean =>
  method === 'POST' &&
  statusCode === 503 &&
  headers['retry-after'] === '1' &&
  performance.now() - started < patienceMs

/** Resolves with what is wrong with the response; undefined if nothing is. */
const send = async (next: Request, started: number): Promise<string | undefined> => {
  try {
    const response = await respond(next)
    const body = await text(response)
    const { statusCode = 0 } = response
    if (isRetried(next, response, started)) {
      await delay(1_000)
      return await send(next, started)
    }
    return statusCode >= 200 && statusCode < 300 ? undefined : `${statusCode} ${body.slice(0, 300)}`
  } catch (error) {
    return error instanceof StaleConnectionError ? send(next, started) : String(error)
  }
}

type Answer = Readonly<{ ms: number; failure?: string }>

const sendAndMeasure = async (next: Request): Promise<Answer> => {
  const started = performance.now()
  const failure = await send(next, started)
  const ms = performance.now() - started
  return failure === undefined ? { ms } : { ms, failure: `${next.method} ${next.url} → ${failure}` }
}

let count = 0

/** Does not wait for answers, so that slow answers do not mean fewer requests. */
const run = async (signal: AbortSignal): Promise<readonly Answer[]> => {
  const started = performance.now()
  const answers: Promise<Answer>[] = []
  while (!signal.aborted) {
    const next = requests[count % requests.length]?.(Math.floor(count / requests.length))
    count += 1
    if (next !== undefined) answers.push(sendAndMeasure(next))
    await delay(Math.max(0, started + answers.length * intervalMs - performance.now()))
  }
  return Promise.all(answers)
}

let stopping = new AbortController()
let running: Promise<readonly Answer[]> = Promise.resolve([])

process.on('message', (message: 'start' | 'stop') => {
  if (message === 'start') {
    stopping = new AbortController()
    running = run(stopping.signal)
  } else {
    stopping.abort()
    void running.then((answers) => process.send?.(answers))
  }
})
process.send?.('ready')
