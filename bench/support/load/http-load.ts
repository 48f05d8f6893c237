import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { askChild } from './child.ts'
import type { DriverLoad } from './driver.ts'
import { installed } from './engines.ts'

export type HttpRequest = Readonly<{
  method: 'GET' | 'POST' | 'PUT'
  path: string
  body?: unknown
  /** The value of `Authorization`. */
  authorization?: string
  /** The value of `Idempotency-Key`. */
  idempotencyKey?: string
}>

/** The headers of a request that depend on it. */
export const headersOf = ({ body, authorization, idempotencyKey }: HttpRequest): Record<string, string> => ({
  ...(body !== undefined && { 'content-type': 'application/json' }),
  ...(authorization !== undefined && { authorization }),
  ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
})

export type Load = Readonly<{
  url: string
  requests: readonly HttpRequest[]
  connections: number
  seconds: number
}>

/**
 * All requests that were answered, those of a warm-up too; those per second that succeeded, the number of
 * failures, and percentiles of the duration in milliseconds.
 */
export type Outcome = Readonly<{
  requests: number
  rate: number
  failed: number
  p50: number
  p99: number
  p999?: number
}>

const execute = promisify(execFile)

/** A wrk script that sends the requests in order, over and over, and prints the outcome as JSON. */
const luaScript = (requests: readonly HttpRequest[]): string => {
  const formatted = requests.map((request) => {
    const { method, path, body } = request
    const headers = Object.entries(headersOf(request)).map(([name, value]) => `["${name}"]="${value}"`)
    const sent = body === undefined ? 'nil' : `[[${JSON.stringify(body)}]]`
    return `wrk.format("${method}", ${JSON.stringify(path)}, {${headers.join()}}, ${sent})`
  })
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
  io.write(string.format('{"responses":%d,"duration":%d,"refused":%d,"broken":%d,"p50":%f,"p99":%f}\\n', summary.requests,
    summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
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
    const { responses, duration, refused, broken, p50, p99 } = JSON.parse(
      stdout.trim().split('\n').at(-1) ?? '',
    ) as Record<'responses' | 'duration' | 'refused' | 'broken' | 'p50' | 'p99', number>
    const rate = (responses - refused) / (duration / 1e6)
    return { requests: responses, rate, failed: refused + broken, p50, p99 }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Generates the load in a child process. */
export const driveInChild = (load: DriverLoad): Promise<Outcome> =>
  askChild(join(import.meta.dirname, 'driver.ts'), load)

const driveWithUndici = ({ url, requests, ...load }: Load): Promise<Outcome> =>
  driveInChild({ ...load, requests: requests.map((request) => ({ url, ...request })) })

export const loadGenerator = installed.has('wrk') ? 'wrk' : 'undici'

/** Sends the requests over and over on `connections` connections, from a child process. */
export const drive: (load: Load) => Promise<Outcome> =
  loadGenerator === 'wrk' ? driveWithWrk : driveWithUndici
