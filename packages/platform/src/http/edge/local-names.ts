import type { IncomingMessage } from 'node:http'
import { isLocalHost } from '../../config/local-host.ts'
import { type HeadCheck, type Refusal, refusalOf } from './request-head.ts'

const notLocal: Refusal = {
  status: 403,
  detail: 'the host must be a local name such as localhost; with HOST=0.0.0.0 the service takes others too',
}

/** Without the port. */
const isLocal = (authority: string): boolean => isLocalHost(authority.replace(/:\d*$/, ''))

/** The authority of a target such as `http://host/path`, which counts instead of `Host` (RFC 9112 §3.2.2). */
const authorityOf = (target: string): string | undefined =>
  /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1]

const localNameRefusal = ({ headers: { host }, url = '' }: IncomingMessage): Refusal | undefined =>
  [host, authorityOf(url)].every((authority) => authority === undefined || isLocal(authority))
    ? undefined
    : notLocal

/**
 * Returns the check of request heads. With `localNamesOnly` it also refuses a `Host` that is not local: a page whose own
 * name leads to this machine (DNS rebinding) would otherwise be of the same origin as the service. A request without
 * `Host`, over HTTP/1.0, comes from no browser.
 */
export const headCheck = (localNamesOnly: boolean): HeadCheck =>
  localNamesOnly ? (raw) => refusalOf(raw) ?? localNameRefusal(raw) : refusalOf
