import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { OperatorError } from './config/operator-error.ts'
import { withDeadline } from './resilience/deadline.ts'

const lookupLimitMs = 5_000

/** All addresses of this machine: with IPv6, listeners on `::` take IPv4 too. */
const anyAddress = { withIpv6: '::', withoutIpv6: '0.0.0.0' }

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** The errors with which a machine without IPv6 refuses to listen on `::`. */
const withoutIpv6Codes: ReadonlySet<unknown> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])

/** The errors about `HOST`, in words for the operator; others, such as a port in use, are not about it. */
const hostProblems: Readonly<Record<string, string>> = {
  EAFNOSUPPORT: 'this machine has no IPv6',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EINVAL: 'this machine does not have the address',
}

const resolveHost = async (host: string): Promise<string> => {
  if (isIP(host) !== 0) return host
  try {
    const lookups = lookup(host, { order: 'ipv4first' })
    return (await withDeadline(lookupLimitMs, 'the name was not resolved in time', lookups)).address
  } catch (cause) {
    throw new OperatorError(`Cannot listen on HOST ${host}: the name cannot be resolved.`, { cause })
  }
}

/**
 * Listens on `host`: an IP address, or a name, of which the first address is used. `::` is IPv6 and IPv4; where there
 * is no IPv6, `listen` is called again, for IPv4 alone.
 */
export const listenOn = async <Result>(
  host: string,
  listen: (address: string) => Promise<Result>,
): Promise<Result> => {
  const address = await resolveHost(host)
  try {
    return await listen(address)
  } catch (error) {
    const code = codeOf(error)
    if (address === anyAddress.withIpv6 && withoutIpv6Codes.has(code)) return listen(anyAddress.withoutIpv6)
    const problem = hostProblems[String(code)]
    if (problem === undefined) throw error
    throw new OperatorError(`Cannot listen on HOST ${host}: ${problem}.`, { cause: error })
  }
}
