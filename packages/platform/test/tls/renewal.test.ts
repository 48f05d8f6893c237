import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from 'node:tls'
import { eventually } from '@shop/testing/asserts/eventually.ts'
import { recordingLogger } from '@shop/testing/observability/logger.ts'
import {
  type CertificateAuthority,
  type IssuedCertificate,
  makeAuthority,
} from '@shop/testing/services/certificate-authority.ts'
import type { Metrics } from '../../src/metrics/metrics.ts'
import { startJobs } from '../../src/process/jobs.ts'
import { startService } from '../support/grpc.ts'
import { startServer } from '../support/http-server.ts'
import { mountedIn, tlsConfig } from '../support/tls.ts'

const abort = new AbortController().signal

/** A folder like a mounted secret of Kubernetes: `tls.crt` and `tls.key` in a folder that a link names. */
const mount = (folder: string) => {
  let version = 0
  const data = join(folder, '..data')
  return {
    ...mountedIn(data),
    /** Replaces all files at once. */
    replace: ({ certificate, key }: IssuedCertificate, ca?: string): void => {
      version += 1
      const next = join(folder, `..${version}`)
      mkdirSync(next, { recursive: true })
      copyFileSync(certificate, mountedIn(next).certificate)
      copyFileSync(key, mountedIn(next).key)
      if (ca !== undefined) copyFileSync(ca, join(next, 'ca.crt'))
      symlinkSync(next, join(folder, '..new'))
      renameSync(join(folder, '..new'), data)
    },
    ca: join(data, 'ca.crt'),
  }
}

/** How often the job has failed. */
const failedRuns = async ({ registry }: Pick<Metrics, 'registry'>): Promise<number> => {
  const text = await registry.getSingleMetricAsString('job_duration_seconds')
  const line = text.split('\n').find((each) => /_count\{.*tls-certificate.*outcome="(?!ok")/.test(each))
  return Number(line?.split(' ').at(-1) ?? 0)
}

describe('a certificate that is replaced', () => {
  const folder = mkdtempSync(join(tmpdir(), 'renewal-'))
  let authority: CertificateAuthority
  let first: IssuedCertificate
  let second: IssuedCertificate
  let ca: Buffer

  before(async () => {
    authority = await makeAuthority(join(folder, 'ca'))
    first = await authority.issue('first')
    second = await authority.issue('second', { days: 30 })
    ca = readFileSync(authority.certificate)
  })
  after(() => rmSync(folder, { recursive: true }))

  const newMount = () => mount(mkdtempSync(join(folder, 'mount-')))

  /** The common name of the certificate that new connections see. */
  const served = async (port: number, protocol = 'http/1.1'): Promise<string> => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ALPNProtocols: [protocol],
    })
    await once(socket, 'secureConnect')
    const name = String(socket.getPeerCertificate().subject.CN)
    socket.destroy()
    return name
  }

  const get = (port: number, options: object) =>
    new Promise<number | undefined>((resolve, reject) => {
      request(
        { port, path: '/health/live', host: '127.0.0.1', servername: 'localhost', ca, ...options },
        (response: IncomingMessage) => {
          response.resume().on('end', () => resolve(response.statusCode))
        },
      )
        .on('error', reject)
        .end()
    })

  it('is seen by new connections of both servers, and those that are open stay', async () => {
    const files = newMount()
    files.replace(first)
    await using http = await startServer({ tls: tlsConfig(files) })
    await using grpc = await startService(async () => ({}) as never, {
      host: '127.0.0.1',
      tls: tlsConfig(files),
    })
    const port = await http.listen(0, 'localhost')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    assert.equal(await get(port, { agent }), 200)
    files.replace(second)
    const jobs = [...http.jobs, ...grpc.jobs]
    for (const { work } of jobs) await work(abort)
    assert.equal(await served(port), 'second')
    assert.equal(await served(grpc.port, 'h2'), 'second')
    assert.equal(await get(port, { agent }), 200)
    assert.equal(http.limits.connections.used() > 0, true)
    agent.destroy()
    const messages = http.lines.filter(({ msg }) => msg === 'using the new TLS certificate')
    assert.equal(messages.length, 1)
    const expiry = await http.metrics.registry.getSingleMetricAsString('tls_certificate_expiry_seconds')
    const seconds = Number(/certificate="server".* (\S+)$/m.exec(expiry)?.[1])
    assert.ok(seconds > 29 * 86_400 && seconds <= 30 * 86_400, expiry)
  })

  it('is not used while its key is still the old one, which is no failure if it lasts for one reading', async () => {
    const files = mountedIn(mkdtempSync(join(folder, 'files-')))
    const copy = (from: IssuedCertificate, what: 'certificate' | 'key') =>
      copyFileSync(from[what], files[what])
    copy(first, 'certificate')
    copy(first, 'key')
    await using server = await startServer({ tls: tlsConfig(files) })
    const port = await server.listen(0, '127.0.0.1')
    const [job] = server.jobs
    assert.ok(job)
    copy(second, 'certificate')
    await job.work(abort)
    assert.equal(await served(port), 'first')
    copy(second, 'key')
    await job.work(abort)
    assert.equal(await served(port), 'second')
    copy(first, 'certificate')
    await job.work(abort)
    await assert.rejects(job.work(abort), {
      message:
        'TLS_KEY_FILE must name the key of the first certificate in TLS_CERT_FILE. The last certificate is still used',
    })
    assert.equal(await served(port), 'second')
  })

  it('is ignored while it is broken, which is logged once, and used when it is whole', async () => {
    const files = newMount()
    files.replace(first)
    const { logger, lines } = recordingLogger()
    await using server = await startServer({ logger, tls: tlsConfig(files) })
    const { listen, metrics } = server
    const port = await listen(0, '127.0.0.1')
    const warnings = () => lines.filter(({ msg }) => msg === 'job failed; retrying')
    const jobs = server.jobs.map((job) => ({ ...job, pauseMs: 5 }))
    await using _ = startJobs(jobs, { logger, metrics })
    writeFileSync(files.certificate, '-----BEGIN CERTIFICATE-----\nMIIB')
    await eventually(5_000, async () => assert.equal(warnings().length, 1))
    rmSync(files.key)
    const failed = await failedRuns(metrics)
    await eventually(5_000, async () => assert.ok((await failedRuns(metrics)) > failed + 2))
    assert.equal(warnings().length, 1)
    assert.equal(await served(port), 'first')
    files.replace(second)
    await eventually(5_000, async () => assert.equal(await served(port), 'second'))
    assert.equal(warnings().length, 1)
  })

  it('may have other authorities of clients: those of the old ones are refused, also with a session of before', async () => {
    const others = await makeAuthority(join(folder, 'others'))
    const [old, renewed] = await Promise.all([
      authority.issue('old-client', { clientAuth: true }),
      others.issue('new-client', { clientAuth: true }),
    ])
    const files = newMount()
    files.replace(first, authority.certificate)
    await using server = await startServer({ tls: tlsConfig(files, files.ca) })
    const port = await server.listen(0, '127.0.0.1')
    const identityOf = ({ certificate, key }: IssuedCertificate) => ({
      cert: readFileSync(certificate),
      key: readFileSync(key),
      agent: new Agent({ keepAlive: false, maxCachedSessions: 10 }),
    })
    const [oldClient, newClient] = [identityOf(old), identityOf(renewed)]
    for (let time = 0; time < 2; time++) assert.equal(await get(port, oldClient), 200)
    await assert.rejects(get(port, newClient))
    files.replace(first, others.certificate)
    for (const { work } of server.jobs) await work(abort)
    await assert.rejects(get(port, oldClient))
    assert.equal(await get(port, newClient), 200)
  })

  it('warns at the start if it has expired', async () => {
    const expired = await authority.issue('expired', { expired: true })
    await using server = await startServer({ tls: tlsConfig(expired) })
    assert.ok(server.lines.some(({ msg }) => msg === 'the TLS certificate has expired'))
    const expiry = await server.metrics.registry.getSingleMetricAsString('tls_certificate_expiry_seconds')
    assert.match(expiry, /certificate="server".* -86\d{3}/)
  })
})
