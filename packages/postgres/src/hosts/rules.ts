import { mustBeUrl } from '@shop/platform/config/variables.ts'
import { hostListRule, hostsIn, splitUrl, standardPort } from './host-list.ts'

/** A rule for `readVariables`: the variable, if set, is a list of hosts. */
export const mustBeHosts = (name: string, list: string | undefined): string | false =>
  list !== undefined && hostsIn(list, standardPort) === undefined && `${name} must be ${hostListRule}`

/**
 * A rule: the URL names a database. Drivers would otherwise use the database that is named after the user, and
 * the service would create its tables there.
 */
const mustNameDatabase = (name: string, url: string): string | false =>
  URL.canParse(url) &&
  new URL(url).pathname.length < 2 &&
  `${name} must name a database, as in postgres://host:5432/database`

/** A rule: the parameters of the URL do not name other servers than those that the service uses. */
const mustTargetWrites = (name: string, url: string): string | false => {
  const { searchParams } = URL.canParse(url) ? new URL(url) : { searchParams: new URLSearchParams() }
  if (searchParams.get('host')?.includes(',') === true)
    return `${name} must list its hosts before the database, as in postgres://a,b:5433/database`
  return (
    (searchParams.get('target_session_attrs') ?? 'read-write') !== 'read-write' &&
    `${name} must not have a target_session_attrs other than read-write`
  )
}

/** The problems of the URL of the primary, which may list several hosts. */
export const primaryUrlProblems = (name: string, value: string | undefined): readonly (string | false)[] => {
  if (value === undefined) return []
  const list = splitUrl(value)
  if (list !== undefined && list.hosts === undefined) return [`${name} must name ${hostListRule}`]
  const url = list?.url ?? value
  return [mustBeUrl(name, url), mustNameDatabase(name, url), mustTargetWrites(name, url)]
}

/** The problems of the URL of a replica, which names one host. */
export const replicaUrlProblems = (name: string, url: string | undefined): readonly (string | false)[] => {
  if (url === undefined) return []
  if (splitUrl(url) !== undefined) return [`${name} must name one host`]
  return [mustBeUrl(name, url), mustNameDatabase(name, url)]
}
