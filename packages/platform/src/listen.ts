import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { OperatorError } from './config/operator-error.ts'
import { withDeadline } from './resilience/deadline.ts'

const lookupLimitMs = 5_000

/** All addresses of this machine: with IPv6, listeners on `::` take IPv4 too. */
const anyAddress = { withIpv6: '::', withoutIpv6: '0.0.0.0' }

/** The addresses of `localhost`. The name is not looked up: /etc/hosts may list only one of them. */
const loopbackAddresses: readonly string[] = ['127.0.0.1', '::1']

const isLocalhost = (host: string): boolean => host.toLowerCase() === 'localhost'

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined

/** The errors with which a machine without IPv6, or without the address, refuses to listen on it. */
const missingAddressCodes: ReadonlySet<unknown> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL'])

/** The errors about `HOST`, in words for the operator; others, such as a port in use, are not about it. */
const hostProblems: Readonly<Record<string, string>> = {
  EAFNOSUPPORT: 'this machine has no IPv6',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EINVAL: 'this machine does not have the address',
}

const resolveName = async (host: string): Promise<string> => {
  try {
    const lookups = lookup(host, { order: 'ipv4first' })
    return (await withDeadline(lookupLimitMs, 'the name was not resolved in time', lookups)).address
  } catch (cause) {
    throw new OperatorError(`Cannot listen on HOST ${host}: the name cannot be resolved.`, { cause })
  }
}

const addressesOf = async (host: string): Promise<readonly string[]> => {
  if (isLocalhost(host)) return loopbackAddresses
  if (host === anyAddress.withIpv6) return [anyAddress.withIpv6, anyAddress.withoutIpv6]
  return [isIP(host) === 0 ? await resolveName(host) : host]
}

const describe = (host: string, error: unknown): unknown => {
  const problem = hostProblems[String(codeOf(error))]
  if (problem === undefined) return error
  return new OperatorError(`Cannot listen on HOST ${host}: ${problem}.`, { cause: error })
}

/**
 * Calls `listen` with the address, and resolves with its results. `localhost` is all loopback addresses that this machine
 * has. Of any other name, the first address is used. `::` is IPv6 and IPv4, and IPv4 alone where there is no IPv6.
 */
export const listenOn = async <Result>(
  host: string,
  listen: (address: string) => Promise<Result>,
): Promise<readonly Result[]> => {
  const addresses = await addressesOf(host)
  const results: Result[] = []
  let missing: unknown
  for (const address of addresses)
    try {
      results.push(await listen(address))
      if (!isLocalhost(host)) return results
    } catch (error) {
      if (addresses.length === 1 || !missingAddressCodes.has(codeOf(error))) throw describe(host, error)
      missing = error
    }
  if (results.length === 0) throw describe(host, missing)
  return results
}
