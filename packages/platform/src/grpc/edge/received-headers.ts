import { subscribe } from 'node:diagnostics_channel'
import { setLogger } from '@grpc/grpc-js'

/** The beginning of the line that grpc-js writes about a header that is not legal metadata, before its name and value. */
const illegalHeader = 'Failed to add metadata entry'

const illegalCharacter = /[^ -~]/
const illegalCharacters = /[^ -~]/g

type Received = Readonly<{ headers: Record<string, unknown> }>

/** Keeps illegal credentials, with `?` for each illegal character, so that they are refused: grpc-js would drop them. */
const keepCredentials = ({ headers }: Received): void => {
  const { authorization } = headers
  if (typeof authorization === 'string' && illegalCharacter.test(authorization))
    headers['authorization'] = authorization.replaceAll(illegalCharacters, '?')
}

/** Writes what grpc-js has to say to standard error, as it does by default, but not what strangers send. */
const logger = {
  error: (message: string): void => {
    if (!message.startsWith(illegalHeader)) process.stderr.write(`${message}\n`)
  },
}

let isChecking = false

/**
 * grpc-js drops headers that are not legal metadata, and writes them to standard error: credentials would be in the log, and their
 * caller would be nobody. This applies to all HTTP/2 streams that the process accepts.
 */
export const checkReceivedHeaders = (): void => {
  if (isChecking) return
  isChecking = true
  setLogger(logger)
  subscribe('http2.server.stream.created', (message) => keepCredentials(message as Received))
}
