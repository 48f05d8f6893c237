import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { freePort, startService } from '@shop/testing/services/services.ts'
import { freePorts } from '@shop/testing/stores/own-cluster.ts'
import { onServer, startRedis, withoutOwnRedis } from '@shop/testing/stores/own-redis.ts'
import { ownFolder } from '../support/baskets.ts'
import { assertUnhealthy, openRedisApp, untilHealthy } from '../support/redis-app.ts'

/** Starts a server that accepts only TLS, with a certificate for 127.0.0.1. */
const startTlsRedis = (port: number, folder: string, settings: Readonly<Record<string, string>> = {}) =>
  startRedis(port, {
    port: '0',
    'tls-port': String(port),
    'tls-cert-file': join(folder, 'server.crt'),
    'tls-key-file': join(folder, 'server.key'),
    'tls-ca-cert-file': join(folder, 'server.crt'),
    'tls-auth-clients': 'no',
    ...settings,
  })

describe('a connection to Redis over TLS', { skip: withoutOwnRedis, concurrency: 1 }, () => {
  const stack = new AsyncDisposableStack()
  let port: number
  let folder: string
  let certificate: string
  before(async () => {
    folder = stack.use(await ownFolder()).path
    await makeCertificate(folder, 'IP:127.0.0.1')
    certificate = join(folder, 'server.crt')
    port = await freePort()
    const redis = startTlsRedis(port, folder)
    stack.defer(redis.kill)
  })
  after(() => stack.disposeAsync())

  const assertServed = async (variables: Readonly<Record<string, string>>) => {
    await using app = await openRedisApp(variables)
    await untilHealthy(app)
    const { basket } = app
    assert.equal((await basket.add(1, 1)).statusCode, 200)
    assert.equal((await basket.delete()).statusCode, 204)
  }

  const assertFails = async (variables: Readonly<Record<string, string>>, reason: RegExp) => {
    const { logger, lines } = recordingLogger()
    await using app = await openRedisApp(variables, logger)
    await eventually(20_000, async () => assert.match(JSON.stringify(lines), reason))
    await assertUnhealthy(app)
  }

  test('succeeds if REDIS_TLS_CA is the path of the CA certificate', async () => {
    const url = `rediss://127.0.0.1:${port}`
    await assertServed({ REDIS_URL: url, REDIS_TLS_CA: certificate })
    const address = { REDIS_HOST: '127.0.0.1', REDIS_PORT: String(port) }
    await assertServed({ ...address, REDIS_TLS: 'on', REDIS_TLS_CA: certificate })
  })

  test('fails if the certificate is untrusted, if it is for another host name, or if the client does not use TLS', async () => {
    await assertFails({ REDIS_URL: `rediss://127.0.0.1:${port}` }, /self.signed/)
    const otherHost = { REDIS_URL: `rediss://localhost:${port}`, REDIS_TLS_CA: certificate }
    await assertFails(otherHost, /altnames/)
    await assertFails({ REDIS_URL: `redis://127.0.0.1:${port}` }, /is unreachable/)
  })

  test('succeeds if NODE_EXTRA_CA_CERTS is the path of the CA certificate', async () => {
    await using service = await startService('basket', {
      REDIS_URL: `rediss://127.0.0.1:${port}`,
      NODE_EXTRA_CA_CERTS: certificate,
    })
    assert.match(service.output(), /connected to Redis/)
  })

  test('succeeds with a cluster', async () => {
    const [clusterPort = 0] = await freePorts(1)
    const redis = startTlsRedis(clusterPort, folder, {
      'tls-cluster': 'yes',
      'cluster-enabled': 'yes',
      'cluster-config-file': join(folder, 'nodes.conf'),
      'cluster-announce-ip': '127.0.0.1',
    })
    try {
      const slots = Array.from({ length: 16_384 }, (_, slot) => slot)
      await eventually(20_000, () =>
        onServer(clusterPort, (client) => client.clusterAddSlots(slots), { certificate }),
      )
      const variables = { REDIS_CLUSTER_NODES: `127.0.0.1:${clusterPort}` }
      await assertServed({ ...variables, REDIS_TLS: 'on', REDIS_TLS_CA: certificate })
    } finally {
      await redis.kill()
    }
  })
})
