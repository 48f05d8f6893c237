import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isInstalled } from './engines.ts'

export type HttpRequest = Readonly<{ method: 'GET' | 'POST' | 'PUT'; path: string; body?: unknown }>

export type Load = Readonly<{
  url: string
  requests: readonly HttpRequest[]
  connections: number
  seconds: number
}>

/** Responses per second, the number of failures, and the percentiles of the duration in milliseconds. */
export type Outcome = Readonly<{ rate: number; failed: number; p50: number; p99: number }>

const execute = promisify(execFile)

const jsonHeader = { 'content-type': 'application/json' }

/** A wrk script that sends the requests in order, over and over, and prints the outcome as JSON. */
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

const driveWithWrk = async ({ url, requests, connections, seconds }: Load): Promise<Outcome> => {
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

/** A duration in seconds, or a number of requests. */
type Limit = Readonly<{ duration: number }> | Readonly<{ amount: number }>

const runAutocannon = async ({
  requests,
  ...options
}: Pick<Load, 'url' | 'requests' | 'connections'> & Limit): Promise<Outcome> => {
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

const driveWithAutocannon = ({ seconds, ...load }: Load): Promise<Outcome> =>
  runAutocannon({ ...load, duration: seconds })

export const loadGenerator = (await isInstalled('wrk')) ? 'wrk' : 'autocannon'

/** Sends the requests over and over on `connections` connections, from a child process. */
export const drive: (load: Load) => Promise<Outcome> =
  loadGenerator === 'wrk' ? driveWithWrk : driveWithAutocannon

type Target = Pick<Load, 'url' | 'requests'>

const catalogShare = 0.8
/** The expected rate of a mixed run: it sends `seconds` times this many requests, to take about `seconds`. */
const mixedRequestsPerSecond = 8_000

/**
 * Loads both services at the same time: four fifths of the requests and connections go to the catalog, one
 * fifth to the baskets.
 */
export const driveMix = async (
  catalog: Target,
  baskets: Target,
  { connections, seconds }: Pick<Load, 'connections' | 'seconds'>,
): Promise<Outcome> => {
  const startTime = performance.now()
  const amount = seconds * mixedRequestsPerSecond
  const share = (part: number) => ({
    connections: Math.round(connections * part),
    amount: Math.round(amount * part),
  })
  const outcomes = await Promise.all([
    runAutocannon({ ...catalog, ...share(catalogShare) }),
    runAutocannon({ ...baskets, ...share(1 - catalogShare) }),
  ])
  return {
    rate: amount / ((performance.now() - startTime) / 1_000),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    p50: Math.max(...outcomes.map(({ p50 }) => p50)),
    p99: Math.max(...outcomes.map(({ p99 }) => p99)),
  }
}
