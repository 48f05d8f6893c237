import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { startAlertmanager, withoutAlertmanager } from '@shop/testing/observability/alertmanager.ts'
import {
  type NameServer,
  startNameServer,
  withoutNameServer,
} from '@shop/testing/observability/name-server.ts'
import { startPrometheus, withoutPrometheus } from '@shop/testing/observability/prometheus.ts'
import { freePort, type RunningService, startService } from '@shop/testing/services/services.ts'
import { ownSchema, withoutPostgres } from '@shop/testing/stores/postgres.ts'
import { redisUrl, withoutRedis } from '@shop/testing/stores/redis.ts'

const skip = withoutPrometheus || withoutAlertmanager || withoutNameServer || withoutPostgres || withoutRedis

describe('alerts of services that vanish', { skip }, () => {
  const stack = new AsyncDisposableStack()
  // Instances have different addresses and the same port, as in containers and pods.
  const network = `127.77.${randomInt(1, 255)}`
  const [first, second] = [`${network}.1`, `${network}.2`]
  const products: RunningService[] = []
  let names: NameServer
  let alertmanager: Awaited<ReturnType<typeof startAlertmanager>>
  let prometheus: Awaited<ReturnType<typeof startPrometheus>>
  let startProduct: (host: string) => Promise<void>

  const resolveProducts = (...addresses: string[]) =>
    names.resolve({ 'product-service': addresses, 'basket-service': [first] })

  before(async () => {
    const schema = stack.use(await ownSchema())
    const ports = { product: await freePort(), basket: await freePort() }
    const grpcPort = String(await freePort())
    startProduct = async (host) => {
      const environment = { DATABASE_URL: schema.url, PORT: String(ports.product), GRPC_PORT: grpcPort }
      products.push(stack.use(await startService('product', { ...environment, HOST: host })))
    }
    await startProduct(first)
    await startProduct(second)
    stack.use(
      await startService('basket', {
        HOST: first,
        PORT: String(ports.basket),
        REDIS_URL: redisUrl,
        PRODUCT_SERVICE_URL: `${first}:${grpcPort},${second}:${grpcPort}`,
      }),
    )
    names = stack.use(await startNameServer())
    resolveProducts(first, second)
    alertmanager = stack.use(await startAlertmanager())
    prometheus = stack.use(
      await startPrometheus(ports, {
        nameServer: names,
        alertmanager: alertmanager.address,
        alertsAtOnce: true,
      }),
    )
  })
  after(() => stack.disposeAsync())

  /** The newest state of each alert that operators were notified of, by its name and service. */
  const statesOfAlerts = (): Record<string, string> =>
    Object.fromEntries(
      alertmanager
        .receivedBy('operators')
        .map(({ labels, status }) => [`${labels['alertname']} ${labels['service']}`, status]),
    )

  const alertIs = (name: string, status: string) =>
    eventually(60_000, async () =>
      assert.equal(statesOfAlerts()[name], status, JSON.stringify(statesOfAlerts())),
    )

  it('Prometheus finds each instance behind a name, with one label for the service', async () => {
    await eventually(60_000, async () => {
      const targets = await prometheus.series('up == 1 and on (instance, service) build_info')
      assert.deepEqual(
        targets.map(({ metric }) => `${metric['service']} ${metric['instance']?.split(':')[0]}`).toSorted(),
        [`basket-service ${first}`, `product-service ${first}`, `product-service ${second}`],
      )
    })
    assert.deepEqual(await prometheus.series('{exported_service!=""}'), [])
  })

  it('the dead man’s switch is called again and again, and nobody else', async () => {
    const calls = () => alertmanager.receivedBy('dead-mans-switch')
    await eventually(60_000, async () => assert.ok(calls().length >= 3))
    assert.deepEqual(new Set(calls().map(({ labels }) => labels['alertname'])), new Set(['Watchdog']))
    // Until Prometheus has found the services, they are down.
    await eventually(60_000, async () => assert.ok(!Object.values(statesOfAlerts()).includes('firing')))
  })

  it('an instance that is killed is reported while Prometheus finds it', async () => {
    await products[1]?.stop('SIGKILL')
    await alertIs('InstanceDown product-service', 'firing')
    const alert = alertmanager
      .receivedBy('operators')
      .find(({ labels }) => labels['alertname'] === 'InstanceDown')
    assert.match(alert?.labels['instance'] ?? '', new RegExp(`^${RegExp.escape(second)}:`))
    assert.equal(alert?.annotations['runbook_url'], 'docs/runbook.md#instancedown')
    assert.equal(alert.labels['repository'], undefined)
  })

  it('when it has vanished too, the one that is left is reported', async () => {
    resolveProducts(first)
    await alertIs('OneInstanceLeft product-service', 'firing')
    await alertIs('InstanceDown product-service', 'resolved')
  })

  it('a service without any instance is reported, although no target is down', async () => {
    await products[0]?.stop()
    resolveProducts()
    await alertIs('ServiceDown product-service', 'firing')
    await eventually(60_000, async () => {
      const [latest] = await prometheus.series('sum by (service) (up)')
      assert.equal(latest?.metric['service'], 'basket-service')
    })
    assert.notEqual(statesOfAlerts()['ServiceDown basket-service'], 'firing')
  })

  it('the alert ends when the service is back', async () => {
    await startProduct(first)
    resolveProducts(first)
    await alertIs('ServiceDown product-service', 'resolved')
  })
})
