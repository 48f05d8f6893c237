import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isHere } from './engines.ts'

export type HttpRequest = Readonly<{ method: 'GET' | 'POST' | 'PUT'; path: string; body?: unknown }>

export type Load = Readonly<{
  url: string
  requests: readonly HttpRequest[]
  connections: number
  seconds: number
}>

/** Answers a second, those that were no success, and how long they took, in milliseconds. */
export type Outcome = Readonly<{ rate: number; failed: number; p50: number; p99: number }>

const execute = promisify(execFile)

const jsonHeader = { 'content-type': 'application/json' }

/** Each connection's next request is the next of the list. */
const luaScript = (requests: readonly HttpRequest[]): string => {
  const formatted = requests.map(({ method, path, body }) =>
    body === undefined
      ? `wrk.format(${JSON.stringify(method)}, ${JSON.stringify(path)})`
      : `wrk.format("${method}", ${JSON.stringify(path)}, {["Content-Type"]="application/json"}, [[${JSON.stringify(body)}]])`,
  )
  return `
local requests = {}
local last = 0
init = function()
${formatted.map((request) => `requests[#requests + 1] = ${request}`).join('\n')}
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"duration":%d,"failed":%d,"p50":%f,"p99":%f}\\n', summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`
}

const byWrk = async ({ url, requests, connections, seconds }: Load): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const script = join(folder, 'load.lua')
    writeFileSync(script, luaScript(requests))
    const { stdout } = await execute('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url])
    const { requests: count, duration, ...rest } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    return { rate: count / (duration / 1e6), ...rest }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** For so many seconds, or until so many requests are answered. */
type Extent = Readonly<{ duration: number }> | Readonly<{ amount: number }>

const autocannonOn = async ({
  requests,
  ...options
}: Pick<Load, 'url' | 'requests' | 'connections'> & Extent): Promise<Outcome> => {
  const child = fork(join(import.meta.dirname, 'autocannon.ts'))
  const exited = once(child, 'exit')
  const withBodies = requests.map(({ body, ...request }) => ({
    ...request,
    ...(body !== undefined && { body: JSON.stringify(body), headers: jsonHeader }),
  }))
  child.send({ ...options, requests: withBodies })
  const [outcome] = await once(child, 'message')
  await exited
  return outcome
}

const byAutocannon = ({ seconds, ...load }: Load): Promise<Outcome> =>
  autocannonOn({ ...load, duration: seconds })

export const loadGenerator = (await isHere('wrk')) ? 'wrk' : 'autocannon'

/** Sends the requests, over and over, on as many connections; in a process of its own. */
export const drive: (load: Load) => Promise<Outcome> = loadGenerator === 'wrk' ? byWrk : byAutocannon

type Part = Pick<Load, 'url' | 'requests'>

const catalogShare = 0.8
/** Of a second, of a mixed turn: so many that it takes about as long as the others. */
const mixedRequests = 8_000

/** Four fifths of the requests to one server, one fifth to the other, at the same time and on as many of the connections. */
export const driveMix = async (
  catalog: Part,
  baskets: Part,
  { connections, seconds }: Pick<Load, 'connections' | 'seconds'>,
): Promise<Outcome> => {
  const began = performance.now()
  const amount = seconds * mixedRequests
  const share = (part: number) => ({
    connections: Math.round(connections * part),
    amount: Math.round(amount * part),
  })
  const outcomes = await Promise.all([
    autocannonOn({ ...catalog, ...share(catalogShare) }),
    autocannonOn({ ...baskets, ...share(1 - catalogShare) }),
  ])
  return {
    rate: amount / ((performance.now() - began) / 1_000),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    p50: Math.max(...outcomes.map(({ p50 }) => p50)),
    p99: Math.max(...outcomes.map(({ p99 }) => p99)),
  }
}
