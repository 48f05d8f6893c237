import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { filesOf, root } from '@shop/testing/files.ts'
import { unlessReachable } from '@shop/testing/stores/servers.ts'
import { parse } from 'yaml'
import { customers } from '../scripts/dashboards/service.ts'

const folder = 'deploy/observability'
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

type Rule = Readonly<{
  alert: string
  expr: string
  labels: Readonly<{ severity: string }>
  annotations: Readonly<{ summary: string; runbook_url?: string }>
}>

const rulesOf = (file: string): Rule[] =>
  parse(read(`${folder}/rules/${file}`)).groups.flatMap(({ rules }: { rules: Rule[] }) => rules)

const alerts = rulesOf('alerts.yml')
const services = ['product-service', 'basket-service']

describe('the rules', () => {
  it('count the requests to every path of the API, and no others', () => {
    const [, pattern = ''] = /http_route=~"([^"]+)"/.exec(customers) ?? []
    const isCounted = (route: string) => new RegExp(`^(?:${pattern})$`).test(route)
    const paths = ['product', 'basket'].flatMap((service) =>
      Object.keys(JSON.parse(read(`api/openapi/${service}.json`)).paths),
    )
    const operational = ['/health', '/health/live', '/health/ready', '/metrics']
    const counted = [...new Set(paths)].filter(isCounted)
    assert.ok(counted.length >= 9)
    assert.deepEqual(new Set(paths).difference(new Set(counted)), new Set(operational))
    const others = ['unmatched', '*', '/', '/favicon.ico', '/docs', '/docs/static/*', '/openapi.json']
    assert.deepEqual([...others, ...operational].filter(isCounted), [])
    assert.ok(customers.includes('http_request_method!~"OPTIONS|_OTHER"'))
  })

  it('and the dashboards select these requests in the same way', () => {
    const texts = [`${folder}/rules/recording.yml`, `${folder}/rules/alerts.yml`].map(read)
    const selectors = texts.flatMap((text) => [
      ...text.matchAll(/\bhttp_server_request_duration_seconds_\w+(\{[^}]*\})?/g),
    ])
    assert.ok(selectors.length >= 10)
    for (const [selector] of selectors) assert.ok(selector.includes(customers), selector)
  })

  it('know every service', () => {
    const named = filesOf('dockerfiles', '.dockerfile').map(
      (file) => `${/(\w+)\.dockerfile$/.exec(file)?.[1]}-service`,
    )
    assert.deepEqual(new Set(named), new Set(services))
    for (const name of ['ServiceDown', 'InstanceDown']) {
      const expression = alerts.find(({ alert }) => alert === name)?.expr ?? ''
      assert.deepEqual(new Set(expression.match(/\w+-service/g)), new Set(services), name)
    }
  })

  it('give each alert a link to its section of the runbook', () => {
    // As GitHub and GitLab make them.
    const anchors = new Set(
      [...read('docs/runbook.md').matchAll(/^## (.+)$/gm)].map(([, title = '']) =>
        title.toLowerCase().replaceAll(' ', '-'),
      ),
    )
    assert.ok(alerts.length >= 19)
    for (const { alert, annotations } of alerts) {
      const [, path = '', anchor = ''] =
        /^\{\{ \$externalLabels\.repository \}\}([^#]+)#(.+)$/.exec(annotations.runbook_url ?? '') ?? []
      assert.equal(path, 'docs/runbook.md', alert)
      assert.equal(anchor, alert.toLowerCase())
      assert.ok(anchors.has(anchor), alert)
      assert.ok(annotations.summary.length > 10, alert)
    }
  })
})

type Panel = Readonly<{
  title: string
  type: string
  description: string
  targets: readonly Readonly<{ legendFormat: string }>[]
  fieldConfig: {
    defaults: { thresholds: { steps: { value: number | null; color: string }[] }; mappings: object[] }
  }
  options: { colorMode: string; textMode: string }
}>

describe('the dashboards', () => {
  const stats = filesOf(`${folder}/grafana/dashboards`, '.json').flatMap((file) =>
    (JSON.parse(readFileSync(file, 'utf8')).panels as Panel[]).filter(({ type }) => type === 'stat'),
  )

  it('color every value that can be good or bad, and no other', () => {
    const amounts = new Set([
      'Products',
      'Active baskets',
      'Value in baskets',
      'Inventory value',
      'Items in baskets',
    ])
    assert.ok(stats.length >= 15)
    for (const { title, options, fieldConfig } of stats) {
      const isNeutral = amounts.has(title) || title === 'Version'
      assert.equal(options.colorMode, isNeutral ? 'none' : 'background', title)
      const { steps } = fieldConfig.defaults.thresholds
      if (isNeutral) continue
      assert.ok(new Set(steps.map(({ color }) => color)).size >= 2, title)
      const values = steps.map(({ value }) => value ?? Number.NEGATIVE_INFINITY)
      assert.deepEqual(
        values,
        values.toSorted((a, b) => a - b),
      )
      assert.equal(steps[0]?.value, null)
    }
  })

  it('show the names of what values belong to, also if there is one value', () => {
    for (const { title, options, targets } of stats)
      if (targets.some(({ legendFormat }) => legendFormat.includes('{{')))
        assert.match(options.textMode, /name/, title)
    const ofVersion = stats.filter(({ title }) => title === 'Version')
    assert.deepEqual(
      ofVersion.map(({ options }) => options.textMode),
      ['name', 'name'],
    )
  })

  it('show states as words', () => {
    const states = stats.filter(({ description }) => /^(up|down|no|Ready) /.test(description))
    assert.equal(states.length, 6)
    for (const { title, fieldConfig } of states) assert.equal(fieldConfig.defaults.mappings.length, 1, title)
  })
})

type Service = Readonly<{ image: string; profiles: string[]; ports?: string[]; volumes?: string[] }>

describe('the observability profile', () => {
  const compose = parse(read(`${folder}/compose.yml`)) as {
    services: Record<string, Service>
    volumes: object
  }
  const prometheus = parse(read(`${folder}/prometheus.yml`))

  it('mounts only files and volumes that exist', () => {
    for (const [name, { volumes = [], profiles, image }] of Object.entries(compose.services)) {
      assert.deepEqual(profiles, ['observability'], name)
      assert.match(image, /^\$\{[A-Z]+_IMAGE:-.+:.+\}$/)
      for (const mount of volumes) {
        const [source = ''] = mount.split(':')
        assert.ok(
          source.startsWith('./') ? existsSync(join(root, folder, source)) : source in compose.volumes,
          source,
        )
      }
    }
  })

  it('finds every instance of both services by DNS, by the name that is also the label of their metrics', () => {
    const [{ dns_sd_configs: searches, relabel_configs: relabeling, job_name: job }] =
      prometheus.scrape_configs
    assert.equal(job, 'shop')
    assert.deepEqual(relabeling, [{ source_labels: ['__meta_dns_name'], target_label: 'service' }])
    const targets = searches.flatMap(({ names, port }: { names: string[]; port: number }) =>
      names.map((name) => [name, port]),
    )
    assert.deepEqual(targets.map(([name]: [string]) => name).toSorted(), services.toSorted())
    for (const { type } of searches) assert.equal(type, 'A')
    const shop = parse(read('docker-compose.yml'), { merge: true }).services
    for (const [name, port] of targets)
      assert.equal(shop[name].environment.OPERATIONS_PORT, String(port), name)
  })

  it('sends alerts to the Alertmanager that it starts', () => {
    const [{ static_configs: configs }] = prometheus.alerting.alertmanagers
    assert.deepEqual(configs, [{ targets: ['alertmanager:9093'] }])
    assert.deepEqual(compose.services['alertmanager']?.ports, ['127.0.0.1:${ALERTMANAGER_PORT:-9093}:9093'])
  })
})

const withoutAmtool = await unlessReachable('amtool (Debian: prometheus-alertmanager)', () =>
  promisify(execFile)('amtool', ['--version']),
)

describe('the configuration of Alertmanager', () => {
  const file = join(root, folder, 'alertmanager.yml')
  const configuration = parse(readFileSync(file, 'utf8'))
  const amtool = async (...args: string[]) =>
    (await promisify(execFile)('amtool', args)).stdout.trim().split('\n')

  it('is accepted by amtool, which sends each severity to its receiver', {
    skip: withoutAmtool,
  }, async () => {
    await amtool('check-config', file)
    const receiversOf = (severity: string) =>
      amtool('config', 'routes', 'test', `--config.file=${file}`, `severity=${severity}`)
    const receivers = { page: 'operators', ticket: 'operators', none: 'dead-mans-switch' }
    assert.deepEqual(new Set(alerts.map(({ labels }) => labels.severity)), new Set(Object.keys(receivers)))
    for (const [severity, receiver] of Object.entries(receivers))
      assert.deepEqual(await receiversOf(severity), [receiver])
  })

  it('silences only tickets', () => {
    const severities = new Map(alerts.map(({ alert, labels }) => [alert, labels.severity]))
    const matched = (matchers: string[]): string[] => {
      const [, names = ''] = /^alertname =~? "?([\w|]+)"?$/.exec(matchers[0] ?? '') ?? []
      return names.split('|')
    }
    assert.ok(configuration.inhibit_rules.length >= 4)
    for (const rule of configuration.inhibit_rules) {
      assert.deepEqual(rule.equal, ['service'])
      for (const name of matched(rule.source_matchers)) assert.ok(severities.has(name), name)
      for (const name of matched(rule.target_matchers)) assert.equal(severities.get(name), 'ticket', name)
    }
  })

  it('has placeholders that reach nobody', () => {
    const urls = configuration.receivers.flatMap(
      ({ webhook_configs: hooks }: { webhook_configs: { url: string }[] }) => hooks.map(({ url }) => url),
    )
    assert.equal(urls.length, 2)
    for (const url of urls) assert.match(url, /^http:\/\/[\w-]+\.invalid\//)
  })
})
