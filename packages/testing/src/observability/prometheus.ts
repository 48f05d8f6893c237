import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { eventually } from '../asserts/eventually.ts'
import { root } from '../files.ts'
import { request } from '../services/http.ts'
import { freePort } from '../services/services.ts'
import { unlessReachable } from '../stores/servers.ts'
import type { NameServer } from './name-server.ts'

export const configurationFolder = join(root, 'deploy/observability')

/** For a suite's `skip`: the reason if Prometheus is not installed, otherwise false. */
export const withoutPrometheus = await unlessReachable('prometheus (in PATH)', () =>
  promisify(execFile)('prometheus', ['--version']),
)

/** Like `replace`, but requires that there is something to replace. */
export const replaceRequired = (text: string, from: string | RegExp, to: string): string => {
  assert.match(text, from instanceof RegExp ? from : new RegExp(RegExp.escape(from)))
  return text.replace(from, to)
}

type Series = Readonly<{ metric: Readonly<Record<string, string>>; values: readonly [number, string][] }>

type Options = Readonly<{
  /** The address of an Alertmanager, as `host:port`. Otherwise alerts are sent nowhere. */
  alertmanager?: string
  /** Starts Prometheus with another resolver. */
  nameServer?: NameServer
  /** Alerts fire after a second, however long their cause has to last. */
  alertsAtOnce?: boolean
}>

/** What Prometheus scrapes: targets, each as `host:port`, or the names that it looks up, with the port of each. */
type Targets = readonly string[] | Readonly<{ product: number; basket: number }>

const dnsSearches = /dns_sd_configs:\n(?: {6}- .*\n)+/

const withTargets = (text: string, targets: Targets): string => {
  if (!('product' in targets))
    return replaceRequired(text, dnsSearches, `static_configs:\n      - targets: [${targets.join(', ')}]\n`)
  return (
    [
      ['product', 9080],
      ['basket', 9081],
    ] as const
  ).reduce(
    (result, [name, port]) =>
      replaceRequired(
        result,
        `names: [${name}-service], type: A, port: ${port}, refresh_interval: 15s`,
        `names: [${name}-service], type: A, port: ${targets[name]}, refresh_interval: 1s`,
      ),
    text,
  )
}

/**
 * Copies the project's configuration and rules to the folder, changed to scrape these targets and to evaluate
 * the rules every second. Returns the path of the configuration.
 */
const writeConfiguration = (folder: string, targets: Targets, options: Options): string => {
  cpSync(join(configurationFolder, 'rules'), join(folder, 'rules'), { recursive: true })
  if (options.alertsAtOnce === true) {
    const file = join(folder, 'rules/alerts.yml')
    writeFileSync(file, replaceRequired(readFileSync(file, 'utf8'), /\bfor: \w+$/gm, 'for: 1s'))
  }
  let text = readFileSync(join(configurationFolder, 'prometheus.yml'), 'utf8')
  text = replaceRequired(text, 'scrape_interval: 15s', 'scrape_interval: 1s')
  text = replaceRequired(text, 'scrape_timeout: 5s', 'scrape_timeout: 1s')
  text = replaceRequired(text, 'evaluation_interval: 15s', 'evaluation_interval: 1s')
  text = replaceRequired(text, '[alertmanager:9093]', `[${options.alertmanager ?? ''}]`)
  const file = join(folder, 'prometheus.yml')
  writeFileSync(file, withTargets(text, targets))
  return file
}

/** Starts a Prometheus on loopback. */
export const startPrometheus = async (targets: Targets, options: Options = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  const address = `127.0.0.1:${await freePort()}`
  const [program, ...args] = [
    ...(options.nameServer?.launcher ?? []),
    'prometheus',
    `--config.file=${writeConfiguration(folder, targets, options)}`,
    `--storage.tsdb.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
    // Alerts that fire before Prometheus knows the Alertmanager are sent again.
    '--rules.alert.resend-delay=1s',
    '--web.enable-lifecycle',
  ]
  const server = spawn(program, args, { stdio: 'ignore' })
  const exited = once(server, 'exit')
  const get = async (path: string, parameters: Readonly<Record<string, string>> = {}) => {
    const url = `http://${address}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`
    const { status, body } = await request('GET', url)
    assert.equal(status, 200, `${JSON.stringify(parameters)}: ${body.error}`)
    return body.data
  }
  const startedAt = Date.now() / 1_000
  await eventually(20_000, () => get('status/runtimeinfo'))
  return {
    /** Returns the value of the expression at every second since the start. */
    series: async (query: string): Promise<readonly Series[]> => {
      const range = { start: String(startedAt), end: String(Date.now() / 1_000), step: '1' }
      return (await get('query_range', { query, ...range })).result
    },
    [Symbol.asyncDispose]: async () => {
      // With a launcher, the process may belong to root.
      await fetch(`http://${address}/-/quit`, { method: 'POST' })
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}
