import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'

/** Why a request is refused before its route is known. */
export type Refusal = Readonly<{ status: number; detail: string }>

/** Returns why the head of a request makes the server refuse it, or undefined. */
export type HeadCheck = (raw: IncomingMessage) => Refusal | undefined

/** `uri-host [":" port]` (RFC 9110 §7.2, RFC 3986 §3.2.2). The host and the port may be empty. */
const hostForm =
  /^(?:\[(?<address>[0-9A-Fa-f:.]+)\]|\[v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::\d*)?$/

const isHost = (text: string): boolean => {
  const match = hostForm.exec(text)
  if (match === null) return false
  const address = match.groups?.['address']
  return address === undefined || isIPv6(address)
}

/** How often the request has the header. Node.js drops repetitions of some headers. `header` is in lower case. */
export const countHeaders = ({ rawHeaders }: IncomingMessage, header: string): number => {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]
    if (name?.length === header.length && name.toLowerCase() === header) count += 1
  }
  return count
}

const badHost = (detail: string): Refusal => ({ status: 400, detail })

const repeatedHost = badHost('the request must not have more than one Host header')
const missingHost = badHost('the request must have a Host header')
const malformedHost = badHost('the Host header must be a host with an optional port')

const unsupportedCoding: Refusal = {
  status: 501,
  detail: 'unsupported transfer coding; send the body with Content-Length or Transfer-Encoding: chunked',
}
const chunkedInHttp10: Refusal = {
  status: 400,
  detail: 'a request over HTTP/1.0 must not have a Transfer-Encoding',
}
const unsupportedExpectation: Refusal = {
  status: 417,
  detail: 'unsupported expectation; Expect may only be 100-continue',
}

/** Node.js omits repeated `Host` headers from `headers`, so a first, valid one could hide another. */
const hostRefusal = (raw: IncomingMessage): Refusal | undefined => {
  const { host } = raw.headers
  if (host === undefined) return raw.httpVersion === '1.0' ? undefined : missingHost
  if (countHeaders(raw, 'host') > 1) return repeatedHost
  return isHost(host) ? undefined : malformedHost
}

/**
 * Why the head of the request alone makes the server refuse it: `Host` (RFC 9112 §3.2), `Transfer-Encoding`
 * (RFC 9112 §6.1) or `Expect` (RFC 9110 §10.1.1). A proxy may read such a request differently, so its connection
 * must be closed.
 */
export const refusalOf = (raw: IncomingMessage): Refusal | undefined => {
  const coding = raw.headers['transfer-encoding']
  if (coding !== undefined && raw.httpVersion === '1.0') return chunkedInHttp10
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return unsupportedCoding
  const { expect } = raw.headers
  if (expect !== undefined && raw.httpVersion !== '1.0' && expect.toLowerCase() !== '100-continue')
    return unsupportedExpectation
  return hostRefusal(raw)
}
