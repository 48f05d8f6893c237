import type { Socket } from 'node:net'
import type { Logger } from '../../logging/logger.ts'
import {
  closedAfterHandshake,
  type HandshakeFailure,
  handshakeFailure,
  type TlsVariables,
} from './handshake-failures.ts'

/** Of more servers, no failures are remembered: they may be logged again. */
const maxServers = 100

const isReset = (error: Error): boolean => 'code' in error && error.code === 'ECONNRESET'

/**
 * Logs what an operator must change when connections fail because of certificates. Each failure of a server is logged once, until
 * one of its connections has worked.
 */
export const handshakeLog = (variables: TlsVariables, logger: Pick<Logger, 'warn'>) => {
  const logged = new Map<string, Set<string>>()

  const record = (server: string, failure: HandshakeFailure | undefined): void => {
    const codes = logged.get(server) ?? new Set()
    if (failure === undefined || codes.has(failure.code)) return
    if (logged.size >= maxServers) logged.clear()
    logged.set(server, codes.add(failure.code))
    logger.warn({ server, ...failure }, 'TLS connection failed')
  }

  /**
   * Watches a connection whose handshake has ended for us. The server may still refuse our certificate, before it has sent
   * anything: `bytesRead` counts what it has sent encrypted. Once it has, the connection has worked.
   */
  const watchFirstBytes = (server: string, socket: Socket): void => {
    const closedByServer = (): void => {
      // It may also have sent an alert before, which is more exact.
      if (socket.bytesRead === 0 && !logged.has(server)) record(server, closedAfterHandshake(variables))
    }
    socket.once('end', closedByServer)
    socket.once('error', (error) => {
      if (isReset(error)) closedByServer()
      else if (socket.bytesRead === 0) record(server, handshakeFailure(error, variables))
    })
    socket.once('close', () => {
      if (socket.bytesRead > 0) logged.delete(server)
    })
  }

  /** Watches a connection to the server: `connecting` is its handshake. */
  return (server: string, connecting: Promise<Readonly<{ socket: Socket }>>): void => {
    void connecting.then(
      ({ socket }) => watchFirstBytes(server, socket),
      (error: unknown) => record(server, handshakeFailure(error, variables)),
    )
  }
}

export type HandshakeLog = ReturnType<typeof handshakeLog>
