import { subscribe } from 'node:diagnostics_channel'

/** What gRPC allows in metadata. */
const legalName = /^[:0-9a-z_.-]+$/
const legalValue = /^[ -~]*$/
const illegalCharacters = /[^ -~]/g

type Headers = Record<string, unknown>

const isLegal = (name: string, value: unknown): boolean =>
  legalName.test(name) && (typeof value !== 'string' || name.endsWith('-bin') || legalValue.test(value))

/**
 * Removes the headers that are not legal metadata. Credentials stay, with `?` for each illegal character: without them, the caller
 * would be nobody in particular.
 */
const removeIllegal = (headers: Headers): void => {
  for (const [name, value] of Object.entries(headers))
    if (isLegal(name, value)) continue
    else if (name === 'authorization') headers[name] = String(value).replaceAll(illegalCharacters, '?')
    else delete headers[name]
}

const onStream = (message: unknown): void =>
  removeIllegal((message as Readonly<{ headers: Headers }>).headers)

let isSubscribed = false

/**
 * Checks the headers of all HTTP/2 streams that this process accepts, before grpc-js sees them. It drops those that are not legal
 * metadata, and writes their names and values to standard error: credentials, and whatever a stranger sends.
 */
export const checkReceivedHeaders = (): void => {
  if (isSubscribed) return
  isSubscribed = true
  subscribe('http2.server.stream.created', onStream)
}
