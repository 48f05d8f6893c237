/**
 * Measures what TLS costs: the CPU time of the product service for reads over kept connections, and for new connections, with TLS and
 * without it. The rounds are interleaved, on the same database. The best round of each counts, because other load on the machine
 * can only add time. ONLY=pattern selects the scenarios.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { get as getHttp, Agent as HttpAgent } from 'node:http'
import { Agent, get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { numberVariable } from '@shop/platform/config/number-variable.ts'
import { OperatorError } from '@shop/platform/config/operator-error.ts'
import { run } from '@shop/platform/process/lifecycle.ts'
import { makeCertificate } from '@shop/testing/services/certificate.ts'
import { makeAuthority } from '@shop/testing/services/certificate-authority.ts'
import { catalogScenarios, uniformId } from './scenarios.ts'
import { openCatalog } from './support/catalog.ts'
import { type Candidate, compareCandidates, httpCandidate } from './support/comparison.ts'
import { driveGrpc } from './support/load/grpc-load.ts'
import { loadGenerator, type Outcome } from './support/load/http-load.ts'
import { markdownTable } from './support/report.ts'
import { productionSettings, startProgram } from './support/servers.ts'

const products = 10_000
const connections = 32
const newConnections = 300

type Subject = Readonly<{ name: string; ca?: string; server: Awaited<ReturnType<typeof startProgram>> }>

const serviceOf = ({ server: { pid } }: Subject) => ({ service: [pid] })

/** The requests are of one product: the connections are measured. */
const getOnce = ({ server: { url } }: Subject, agent: HttpAgent): Promise<void> =>
  new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? get : getHttp
    send(`${url}/products/1`, { agent, rejectUnauthorized: false }, (response) => {
      response.resume().on('end', resolve)
    }).on('error', reject)
  })

/** Opens one connection after the other, with a handshake of its own or with the session of the one before. */
const connect = async (subject: Subject, isResumed: boolean): Promise<Outcome> => {
  const options = { keepAlive: false, maxCachedSessions: isResumed ? 100 : 0 }
  const agent = subject.ca === undefined ? new HttpAgent(options) : new Agent(options)
  const since = performance.now()
  for (let opened = 0; opened < newConnections; opened++) await getOnce(subject, agent)
  const rate = newConnections / ((performance.now() - since) / 1_000)
  return { requests: newConnections, rate, failed: 0, p50: 0, p99: 0 }
}

const scenariosOf = (subjects: readonly Subject[], seconds: number): Record<string, () => Candidate[]> => {
  const requests = catalogScenarios.find(({ name }) => name === 'get by id')?.requests
  if (requests === undefined) throw new Error('there is no scenario get by id')
  const sent = requests({ products, plentiful: [], users: [] })
  const calls = Array.from({ length: 1_000 }, () => [uniformId(products)])
  const connecting = (isResumed: boolean) => () =>
    subjects.map((subject) => ({
      name: subject.name,
      processes: serviceOf(subject),
      run: () => connect(subject, isResumed),
    }))
  return {
    'get by id, kept connections': () =>
      subjects.map((subject) => {
        const server = { url: subject.server.url, processes: serviceOf(subject) }
        return httpCandidate(subject.name, server, { requests: sent, connections, seconds })
      }),
    'GetProduct, one connection': () =>
      subjects
        .filter(({ name }) => name !== 'TLS, RSA 2048')
        .map((subject) => {
          const address = subject.server.grpc.replace('127.0.0.1', 'localhost')
          const load = { address, calls, concurrency: connections, seconds, ca: subject.ca }
          return { name: subject.name, processes: serviceOf(subject), run: () => driveGrpc(load) }
        }),
    'get, new connections': connecting(false),
    'get, new connections, sessions resumed': connecting(true),
  }
}

/** A row of the CPU time per request of each candidate, its ratio to the first one, and what it takes more. */
const measureRow = async (scenario: string, candidates: readonly Candidate[], rounds: number) => {
  const summaries = Object.values(await compareCandidates(candidates, rounds))
  const failed = summaries.reduce((sum, one) => sum + one.failed, 0)
  if (failed > 0) throw new Error(`${failed} requests of ${scenario} failed`)
  const times = summaries.map(({ cpu }) => cpu.service?.min ?? Number.NaN)
  const [first = Number.NaN] = times
  return [scenario, ...times.map((time) => `${time.toFixed(1)} (${(time / first).toFixed(2)})`)]
}

await run(async () => {
  if (loadGenerator !== 'wrk')
    throw new OperatorError('wrk is not installed: the other load generator does not trust the certificate.')
  const rounds = numberVariable('ROUNDS', 9, 100)
  const seconds = numberVariable('SECONDS', 2, 60)
  const only = new RegExp(process.env['ONLY'] ?? '')

  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
  const { url } = stack.use(await openCatalog(products))
  const authority = await makeAuthority(join(folder, 'ca'))
  const ofEcdsa = await authority.issue('server')
  const ofRsa = await makeCertificate(folder, 'DNS:localhost')
  const start = async (certificate?: typeof ofEcdsa) => {
    const tls = certificate && { TLS_CERT_FILE: certificate.certificate, TLS_KEY_FILE: certificate.key }
    return stack.use(
      await startProgram('product', { ...productionSettings(folder), DATABASE_URL: url, ...tls }),
    )
  }
  const subjects: Subject[] = [
    { name: 'without TLS', server: await start() },
    { name: 'TLS, P-256', ca: authority.certificate, server: await start(ofEcdsa) },
    { name: 'TLS, RSA 2048', ca: ofRsa.certificate, server: await start(ofRsa) },
  ]
  for (const [name, candidates] of Object.entries(scenariosOf(subjects, seconds))) {
    if (!only.test(name)) continue
    const measured = candidates()
    const row = await measureRow(name, measured, rounds)
    const titles = measured.map((candidate) => candidate.name)
    process.stdout.write(`${markdownTable([['CPU µs per request', ...titles], row])}\n\n`)
  }
})
