import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import type { Logger } from '../../logging/logger.ts'
import type { ClientCertificates } from '../../tls/client-certificates.ts'
import type { ClientFiles } from '../../tls/client-files.ts'
import { defaultCredentials, usesTls } from '../channel.ts'
import type { TlsVariables } from './handshake-failures.ts'
import { handshakeLog } from './handshake-log.ts'
import type { Connections } from './tracked-credentials.ts'

const credentialsOf = ({ context }: ClientCertificates): ChannelCredentials =>
  credentials.createFromSecureContext(context)

/** Returns a function with the credentials of the current certificates. They are made once for each set of certificates. */
const currentCredentials = ({ current }: Pick<ClientFiles, 'current'>): (() => ChannelCredentials) => {
  let certificates = current()
  let made = credentialsOf(certificates)
  return () => {
    if (current() !== certificates) {
      certificates = current()
      made = credentialsOf(certificates)
    }
    return made
  }
}

type ClientTls = Readonly<{
  /** Undefined if the client has no certificates of its own. */
  files: Pick<ClientFiles, 'current'> | undefined
  variables: TlsVariables
  logger: Pick<Logger, 'warn'>
}>

/**
 * How connections to a `grpcAddress` are made. New certificates are used for new connections; those that are open go on until
 * the server ends them.
 */
export const connectionsTo = (address: string, tls?: ClientTls): Connections => {
  const unchanged = defaultCredentials(address)
  if (tls === undefined || !usesTls(address)) return { credentials: () => unchanged }
  return {
    credentials: tls.files === undefined ? () => unchanged : currentCredentials(tls.files),
    watchHandshake: handshakeLog(tls.variables, tls.logger),
  }
}
