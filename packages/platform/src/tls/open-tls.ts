import type { Server, TlsOptions } from 'node:tls'
import { expectedFailure } from '../failure.ts'
import type { Job } from '../job.ts'
import { createFailureLog } from '../logging/failure-log.ts'
import type { Logger } from '../logging/logger.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { TlsConfig } from './config.ts'
import type { Credentials } from './credentials.ts'
import { errors, type Reason, reasonOf } from './handshake-reasons.ts'
import { createHandshakes, type FindClient } from './handshakes.ts'
import { exposeExpiry, handshakeCounter } from './metrics.ts'
import { rawSocketOf } from './raw-socket.ts'
import { watchCredentials } from './watched-credentials.ts'

type Observers = Readonly<{ logger: Logger; metrics: Pick<Metrics, 'registry'> }>

/** Follows the handshakes of a server: cuts off slow ones and those that are too many, and reports failures. Returns what cuts off the rest. */
const followHandshakes = (
  server: Server,
  findClient: FindClient,
  fail: (reason: Reason) => void,
  checkMs?: number,
) => {
  const handshakes = createHandshakes({ onCut: fail, checkMs })
  // Node.js's own listener in HTTP servers lets the handler of `clientError` answer, in HTTP.
  server.removeAllListeners('tlsClientError')
  server.on('connection', (raw) => {
    // It is over a limit.
    if (!raw.destroyed) handshakes.begin(raw, findClient(raw.remoteAddress))
  })
  server.on('secureConnection', (socket) => {
    // Remembered, because the system forgets it when the client resets the connection.
    void socket.remoteAddress
    handshakes.end(rawSocketOf(socket))
  })
  server.on('tlsClientError', (error, socket) => {
    if (handshakes.end(rawSocketOf(socket))) fail(reasonOf(error, socket.authorizationError))
    socket.destroy()
  })
  return handshakes.destroy
}

/** What ends TLS on the ports of a service. */
export type Tls = Readonly<{
  /** The options of a server. */
  options: () => TlsOptions
  /**
   * Gives the server each new certificate, and limits and counts its handshakes. To be called after what may destroy connections over
   * a limit. Returns what cuts off the handshakes in progress, and `fail`, which reports a handshake that failed otherwise.
   */
  attach: (server: Server, transport: 'http' | 'grpc', findClient: FindClient) => TlsServer
  jobs: readonly Job[]
}>

type TlsServer = Readonly<{ close: () => void; fail: (reason: Reason) => void }>

const optionsOf = ({ options, needsClientCertificate }: Credentials): TlsOptions => ({
  ...options,
  requestCert: needsClientCertificate,
  rejectUnauthorized: needsClientCertificate,
})

/** Opens the files that the configuration names; undefined if the service does not end TLS. `checkMs` is for tests. */
export const openTls = (
  config: TlsConfig | undefined,
  { logger, metrics: { registry } }: Observers,
  checkMs?: number,
): Tls | undefined => {
  if (config === undefined) return undefined
  const servers = new Set<Server>()
  const credentials = watchCredentials(config, logger, ({ options }) => {
    for (const server of servers) server.setSecureContext(options)
  })
  exposeExpiry(registry, 'server', () => credentials.current().validTo)
  const count = handshakeCounter(registry)
  return {
    options: () => optionsOf(credentials.current()),
    attach: (server, transport, findClient) => {
      servers.add(server)
      const failures = createFailureLog(logger, 'TLS handshake failed', {
        level: 'warn',
        fieldsOf: expectedFailure,
      })
      const countOne = count(transport)
      const fail = (reason: Reason): void => {
        countOne(reason)
        if (reason !== 'closed') failures.record(errors[reason], { transport, reason })
      }
      const destroy = followHandshakes(server, findClient, fail, checkMs)
      const close = (): void => {
        servers.delete(server)
        destroy()
        failures.close()
      }
      return { close, fail }
    },
    jobs: [credentials.job],
  }
}
