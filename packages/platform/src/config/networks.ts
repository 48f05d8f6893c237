import { BlockList, isIP } from 'node:net'

/** Names of networks, as in Express and Fastify. */
const namedNetworks: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}

/** The longest prefix of an address of each IP version. */
const maxPrefix: Readonly<Record<number, number>> = { 4: 32, 6: 128 }

const partsOf = (entry: string) => {
  const [address = '', prefix, ...rest] = entry.split('/')
  // The zone of an address (`fe80::1%eth0`) names an interface of this machine, not a network.
  const version = rest.length > 0 || address.includes('%') ? 0 : isIP(address)
  return { address, prefix, version }
}

const addTo = (networks: BlockList, entry: string): void => {
  const { address, prefix, version } = partsOf(entry)
  networks.addSubnet(address, Number(prefix ?? maxPrefix[version]), version === 4 ? 'ipv4' : 'ipv6')
}

/** Whether the IPv6 network is also that of all IPv4 addresses in the form of IPv6, `::ffff:0:0/96`. */
const hasAllIpv4 = (entry: string): boolean => {
  const network = new BlockList()
  addTo(network, entry)
  return ['0.0.0.0', '255.255.255.255'].every((address) => network.check(address))
}

/** Why the entry is not one of the list; undefined if it is. Without its text, which may be a secret in the wrong place. */
const problemOf = (entry: string): string | undefined => {
  if (Object.hasOwn(namedNetworks, entry)) return undefined
  const { prefix, version } = partsOf(entry)
  const max = maxPrefix[version]
  if (max === undefined)
    return `must be an IP address, a network such as 10.0.0.0/8, or one of ${Object.keys(namedNetworks).join(', ')}`
  if (prefix === undefined) return undefined
  const isInRange = /^[1-9][0-9]{0,2}$/.test(prefix) && Number(prefix) <= max
  if (!isInRange) return `must have a prefix length from 1 to ${max}`
  return hasAllIpv4(entry)
    ? 'must not contain all IPv4 addresses: write 10.0.0.0/8, not ::ffff:10.0.0.0/8'
    : undefined
}

/** A rule for `readVariables`: the variable, if set, is `off`, or addresses and networks separated by commas. */
export const mustBeNetworks = (name: string, text: string | undefined): string | false => {
  if (text === undefined || text === 'off') return false
  const entries = text.split(',')
  const problems = entries.flatMap((entry, index) => {
    const problem = problemOf(entry)
    return problem === undefined ? [] : [`entry ${index + 1} of ${entries.length} ${problem}`]
  })
  return problems[0] !== undefined && `${name} must be off or a comma-separated list: ${problems[0]}`
}

/**
 * Returns whether an address is in one of the networks, a text that `mustBeNetworks` allows. IPv4 addresses may be in
 * the form that listeners on `::` report, `::ffff:10.0.0.1`. No address is in none of them.
 */
export const networkMatcher = (text: string): ((address: string | undefined) => boolean) => {
  const networks = new BlockList()
  for (const entry of text === 'off' ? [] : text.split(',').flatMap((name) => namedNetworks[name] ?? name))
    addTo(networks, entry)
  return (address = '') => {
    const version = isIP(address)
    return version !== 0 && networks.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
}
