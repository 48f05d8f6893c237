import assert from 'node:assert/strict'
import { copyFile, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ServerCredentials } from '@grpc/grpc-js'
import { createMetrics } from '@shop/platform/metrics/metrics.ts'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { hasCode } from '@shop/testing/asserts/has-code.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import { type IssuedCertificate, makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { type BatchGetProducts, orwell, startProductStub } from '@shop/testing/services/raw-products.ts'
import { openProductService } from '../../src/infrastructure/product-service.ts'
import { ownFolder } from '../support/baskets.ts'

const variables = {
  address: 'PRODUCT_SERVICE_URL',
  ca: 'PRODUCT_SERVICE_CA_FILE',
  certificate: 'PRODUCT_SERVICE_CERT_FILE',
  key: 'PRODUCT_SERVICE_KEY_FILE',
}

const answer: BatchGetProducts = ({ request: { ids } }, respond) =>
  respond(null, { products: ids.map((id) => ({ ...orwell, id })) })

describe('the product service with TLS', async () => {
  const folder = await ownFolder()
  after(() => folder.remove())
  const authority = await makeAuthority(join(folder.path, 'ca'))
  const foreign = await makeAuthority(join(folder.path, 'foreign'))
  const server = await authority.issue('server')
  const basket = await authority.issue('basket', { clientAuth: true })
  const rootCertificates = await readFile(authority.certificate)

  const serverCredentials = async ({ certificate, key }: IssuedCertificate, needsCertificate = false) =>
    ServerCredentials.createSsl(
      rootCertificates,
      [{ private_key: await readFile(key), cert_chain: await readFile(certificate) }],
      needsCertificate,
    )

  const open = (address: string, ca?: string, own?: IssuedCertificate) => {
    const { logger, lines } = recordingLogger()
    const metrics = createMetrics('basket-service', '0')
    const files = {
      ca: ca === undefined ? undefined : { variable: variables.ca, path: ca },
      own: own && {
        certificate: { variable: variables.certificate, path: own.certificate },
        key: { variable: variables.key, path: own.key },
      },
    }
    const { catalog, jobs } = openProductService({ address, tls: { variables, files } }, 'EUR', {
      logger,
      metrics,
    })
    return { catalog, jobs, lines, metrics, [Symbol.dispose]: () => catalog[Symbol.dispose]() }
  }

  it('is called if its certificate is trusted, with one that it accepts, over https:// and dns+https:///', async () => {
    using products = await startProductStub(answer, { credentials: await serverCredentials(server, true) })
    for (const form of ['https://', 'dns+https:///']) {
      using opened = open(`${form}localhost:${products.port}`, authority.certificate, basket)
      assert.equal((await opened.catalog.find(7)).id, 7)
      assert.deepEqual(opened.lines, [])
    }
  })

  const refusals = [
    {
      name: 'with a certificate of a foreign CA',
      ca: foreign.certificate,
      advice: /not trusted: PRODUCT_SERVICE_CA_FILE must name the CAs that signed it$/,
    },
    {
      name: 'with a certificate that no CA of Node.js has signed',
      advice: /not trusted: PRODUCT_SERVICE_CA_FILE must name/,
    },
    {
      name: 'with an expired certificate',
      certificate: await authority.issue('expired', { expired: true }),
      advice: /certificate of the server has expired/,
    },
    {
      name: 'with a certificate for another name',
      certificate: await authority.issue('misnamed', { names: 'DNS:other.example' }),
      advice: /for other names than the one in PRODUCT_SERVICE_URL$/,
    },
    {
      name: 'that needs a certificate, of which there is none',
      needsCertificate: true,
      advice: /asks for a certificate .* PRODUCT_SERVICE_CERT_FILE and PRODUCT_SERVICE_KEY_FILE must be set$/,
    },
    {
      name: 'that needs a certificate, but not one of a foreign CA',
      needsCertificate: true,
      own: await foreign.issue('stranger', { clientAuth: true }),
      advice: /closed a connection just after the handshake.* PRODUCT_SERVICE_CERT_FILE/,
    },
    {
      name: 'without TLS',
      credentials: ServerCredentials.createInsecure(),
      advice: /does not use TLS at this port: PRODUCT_SERVICE_URL must/,
    },
  ]
  for (const { name, advice, own, ...given } of refusals)
    it(`${name} is unavailable, and one line says what to change`, async () => {
      const { certificate = server, needsCertificate = false } = given
      const credentials = given.credentials ?? (await serverCredentials(certificate, needsCertificate))
      using products = await startProductStub(answer, { credentials })
      const ca = name.includes('no CA of Node.js') ? undefined : (given.ca ?? authority.certificate)
      using opened = open(`dns+https:///localhost:${products.port}`, ca, own)
      for (let call = 0; call < 4; call++) {
        await assert.rejects(opened.catalog.find(7), hasCode('unavailable'))
        await assert.rejects(opened.catalog.probe())
      }
      const warnings = opened.lines.filter(({ advice: text }) => advice.test(String(text)))
      assert.equal(warnings.length, 1, JSON.stringify(opened.lines))
      assert.equal(warnings[0]?.['msg'], 'TLS connection failed')
      assert.equal(warnings[0]?.['server'], `127.0.0.1:${products.port}`)
    })

  it('that is down is no problem of certificates', async () => {
    using products = await startProductStub(answer, { credentials: await serverCredentials(server) })
    using opened = open(`https://localhost:${products.port}`, authority.certificate)
    await opened.catalog.find(7)
    products[Symbol.dispose]()
    for (let call = 0; call < 3; call++) await assert.rejects(opened.catalog.find(7), hasCode('unavailable'))
    assert.deepEqual(opened.lines, [])
  })

  it('that fails again after it has worked is a line again', async () => {
    const good = await serverCredentials(server)
    const bad = await serverCredentials(await authority.issue('again', { expired: true }))
    const first = await startProductStub(answer, { credentials: bad })
    using opened = open(`https://localhost:${first.port}`, authority.certificate)
    const address = `127.0.0.1:${first.port}`
    await assert.rejects(opened.catalog.find(7), hasCode('unavailable'))
    first[Symbol.dispose]()
    const second = await startProductStub(answer, { address, credentials: good })
    await eventually(5_000, () => opened.catalog.find(7))
    second[Symbol.dispose]()
    using _ = await startProductStub(answer, { address, credentials: bad })
    await eventually(5_000, async () => {
      await assert.rejects(opened.catalog.find(7), hasCode('unavailable'))
      assert.equal(opened.lines.length, 2)
    })
  })

  it('gets the new certificate with new connections, and no call fails', async () => {
    const own = { certificate: join(folder.path, 'tls.crt'), key: join(folder.path, 'tls.key') }
    const put = async (issued: IssuedCertificate) => {
      for (const file of ['key', 'certificate'] as const) {
        await copyFile(issued[file], `${own[file]}.new`)
        await rename(`${own[file]}.new`, own[file])
      }
    }
    await put(basket)
    const seen: string[] = []
    using products = await startProductStub(
      (call, respond) => {
        const { CN } = call.getAuthContext().sslPeerCertificate?.subject ?? {}
        if (seen.at(-1) !== CN) seen.push(String(CN))
        answer(call, respond)
      },
      {
        credentials: await serverCredentials(server, true),
        server: { 'grpc.max_connection_age_ms': 50, 'grpc.max_connection_age_grace_ms': 5_000 },
      },
    )
    using opened = open(`dns+https:///localhost:${products.port}`, authority.certificate, own)
    const failed: unknown[] = []
    const untilSeen = async (...names: readonly string[]) =>
      eventually(5_000, async () => {
        await opened.catalog.find(7).catch((error: unknown) => failed.push(error))
        assert.deepEqual(seen, names)
      })
    await untilSeen('basket')
    const expiry = async () => {
      const { text } = await opened.metrics.scrape(false)
      return Number(
        /tls_certificate_expiry_seconds\{certificate="product_service_client".*\} (\S+)/.exec(text)?.[1],
      )
    }
    assert.ok(Math.abs((await expiry()) - 86_400) < 3_600)
    await put(await authority.issue('basket-2', { clientAuth: true, days: 2 }))
    const [job] = opened.jobs
    await job?.work(new AbortController().signal)
    await untilSeen('basket', 'basket-2')
    assert.deepEqual(failed, [])
    assert.ok(Math.abs((await expiry()) - 2 * 86_400) < 3_600)
  })
})
