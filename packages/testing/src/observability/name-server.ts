import { execFile, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unlessReachable } from '../stores/servers.ts'

/** Both the port of DNS and the mount need root. */
const privileges = process.getuid?.() === 0 ? [] : ['sudo', '--non-interactive']

const replaceResolver = `
  file=$1; uid=$2; gid=$3; shift 3
  mount --bind "$file" /etc/resolv.conf
  exec setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"`

/** The beginning of a command that runs a program with this file as its /etc/resolv.conf. */
const launcherWith = (file: string): readonly string[] => [
  ...privileges,
  'unshare',
  '--mount',
  'sh',
  '-ec',
  replaceResolver,
  'sh',
  file,
  String(process.getuid?.()),
  String(process.getgid?.()),
]

/**
 * Starts a DNS server on a loopback address of its own. It knows no names until `resolve` sets their addresses. A name
 * without addresses does not exist.
 */
export const startNameServer = async () => {
  const address = `127.53.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const folder = mkdtempSync(join(tmpdir(), 'dns-'))
  const zone = join(folder, 'zone.json')
  const resolve = (names: Readonly<Record<string, readonly string[]>>): void => {
    writeFileSync(`${zone}.new`, JSON.stringify(names))
    renameSync(`${zone}.new`, zone)
  }
  resolve({})
  const resolver = join(folder, 'resolv.conf')
  writeFileSync(resolver, `nameserver ${address}\noptions ndots:0\n`)
  const program = join(import.meta.dirname, 'programs/dns.ts')
  const [command, ...args] = [...privileges, process.execPath, program, address, zone]
  const server = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(server, 'exit')
  await Promise.race([
    once(server.stdout, 'data'),
    exited.then(() => Promise.reject(new Error('the DNS server has exited'))),
  ])
  return {
    resolve,
    /** The beginning of a command that runs a program which looks up names at this server only. */
    launcher: launcherWith(resolver),
    [Symbol.asyncDispose]: async () => {
      server.stdin.end()
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}

export type NameServer = Awaited<ReturnType<typeof startNameServer>>

/** For a suite's `skip`: the reason if no program can be started with another resolver, otherwise false. */
export const withoutNameServer = await unlessReachable('unshare --mount, as root', async () => {
  const [command, ...args] = [...launcherWith('/dev/null'), 'true']
  await promisify(execFile)(command, args)
})
